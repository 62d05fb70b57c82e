import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { PreparationKey } from '../../deliver/preparation.ts'

/** A version of a volume as it is prepared, and the length of its container. */
export interface Prepared extends PreparationKey {
  readonly bytes: number
}

/** A file that wants a volume in the spool. */
export interface Waiter {
  /** who asked: those with few preparations under way come first */
  readonly owner: string
  /** Asked before the source is. @throws what the file then FAILED of; with a 5xx the volume did */
  mayRead(): Promise<void>
  /** told of every change of its pin */
  changed(): void
}

/** What keeps one volume in the spool, once it is there, for one file. */
export interface Pin {
  readonly state: 'QUEUED' | 'IN_PROGRESS' | 'READY' | 'FAILED'
  /** where it FAILED */
  readonly error: MdmError | undefined
  release(): void
}

export class FilePin implements Pin {
  readonly waiter: Waiter
  readonly #pinned: PinnedVolume
  readonly #left: (pin: FilePin) => void
  refusal: MdmError | undefined

  constructor(waiter: Waiter, pinned: PinnedVolume, left: (pin: FilePin) => void) {
    this.waiter = waiter
    this.#pinned = pinned
    this.#left = left
  }

  get error(): MdmError | undefined {
    return this.refusal ?? this.#pinned.error
  }

  get state(): Pin['state'] {
    return this.error === undefined ? this.#pinned.state : 'FAILED'
  }

  release(): void {
    this.#left(this)
  }
}

/** Attempts before its files FAILED: a burst of requests can make key servers and sources late, one that is away stays away. */
const ATTEMPTS = 5
/** What may be said of a burst. */
const LATE: readonly ErrorCode[] = ['MDM_BELOW_THRESHOLD', 'MDM_SOURCE_UNREACHABLE']

/** One volume and the files that want it. */
export class PinnedVolume {
  readonly volume: Prepared
  readonly pins = new Set<FilePin>()
  readonly stop = new AbortController()
  state: 'QUEUED' | 'IN_PROGRESS' | 'READY' = 'QUEUED'
  error: MdmError | undefined
  /** what it lacked when it was tried, 0 for an answer: it is tried again when there may be as much, and not before this time */
  lacking: { readonly bytes: number; untilMs: number } | undefined
  release: (() => void) | undefined
  #lateTimes = 0

  constructor(volume: Prepared) {
    this.volume = volume
  }

  /** Whether servers that did not answer in time are asked again, and after how long: twice as long each time. @returns ms */
  waitMs(error: unknown, firstMs: number): number | undefined {
    const isLate = error instanceof MdmError && LATE.includes(error.code)
    return isLate && ++this.#lateTimes < ATTEMPTS ? firstMs * 2 ** (this.#lateTimes - 1) : undefined
  }

  /** of the file that came first */
  get owner(): string {
    const [first] = this.pins
    return first?.waiter.owner ?? ''
  }

  tell(): void {
    for (const pin of [...this.pins]) pin.waiter.changed()
  }

  letGo(): void {
    this.release?.()
    this.release = undefined
  }

  /** Whoever may not read any more waits no more. @throws what is nobody's refusal */
  async dropRefused(): Promise<void> {
    await Promise.all(
      [...this.pins].map(async (pin) => {
        try {
          await pin.waiter.mayRead()
        } catch (error) {
          const refusal = asMdmError(error)
          if (refusal.status >= 500) throw refusal
          pin.refusal = refusal
          pin.waiter.changed()
        }
      }),
    )
  }
}

export function asMdmError(error: unknown): MdmError {
  return error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
}
