import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { Guid, Kid, Version } from '@mdm/core/names'

/** What one preparation is of; there is at most one at a time for each. */
export interface PreparationKey {
  readonly guid: Guid
  readonly version: Version
  readonly kid: Kid
  readonly profile: string
}

/**
 * OPENING: key and first slice are on their way. KEYED: header in the spool. FILLING: first slice accepted, readers may
 * come. SEALED: complete. FAILED: with a code. EXPIRED: gone, without anybody's fault.
 */
export type PreparationState = 'OPENING' | 'KEYED' | 'FILLING' | 'SEALED' | 'FAILED' | 'EXPIRED'

const NEXT: Record<PreparationState, readonly PreparationState[]> = {
  OPENING: ['KEYED', 'FAILED', 'EXPIRED'],
  KEYED: ['FILLING', 'FAILED', 'EXPIRED'],
  FILLING: ['SEALED', 'FAILED', 'EXPIRED'],
  SEALED: ['EXPIRED'],
  FAILED: [],
  EXPIRED: [],
}

/** The container as its header gives it. */
export interface PreparedContainer {
  readonly etag: string
  /** bytes of the whole container */
  readonly length: number
  /** spool file that readers open */
  path: string
}

/**
 * One container on its way from the source to its readers: the state machine of FLOW 2, and who waits for it. How it is
 * filled is prepare.ts; what reads it is transfer.ts.
 */
export class Preparation {
  readonly key: PreparationKey
  container: PreparedContainer | undefined
  /** bytes from the start that readers may have */
  available = 0
  /** first frame that is not there yet, from 1 */
  contiguous = 1
  /** when the last reader left, or it was restored; ms since 1970 */
  lastReadMs: number
  error: MdmError | undefined
  readonly #now: () => Date
  readonly #idleMs: number
  readonly #stop = new AbortController()
  readonly #watchers = new Set<() => void>()
  #state: PreparationState = 'OPENING'
  #holders = 0
  #idle: NodeJS.Timeout | undefined

  /** @param o `idleMs`: how long an unfinished preparation lives without reader or pin */
  constructor(key: PreparationKey, o: { now: () => Date; idleMs: number }) {
    this.key = key
    this.#now = o.now
    this.#idleMs = o.idleMs
    this.lastReadMs = o.now().getTime()
  }

  get state(): PreparationState {
    return this.#state
  }

  /** Aborts when the preparation failed or expired: key fetch and source are then let go. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** True while a reader or a pin needs it. */
  get held(): boolean {
    return this.#holders > 0
  }

  get over(): boolean {
    return this.#state === 'FAILED' || this.#state === 'EXPIRED'
  }

  /** Moves on; a move the machine does not have is ignored, so that the first end counts. */
  move(state: PreparationState, error?: MdmError): boolean {
    if (!NEXT[this.#state].includes(state)) return false
    this.#state = state
    this.error = error
    if (this.over) {
      clearTimeout(this.#idle)
      this.#stop.abort(this.reason)
    }
    this.#tell()
    return true
  }

  /** Makes a new preparation of a container that an earlier process had sealed. */
  restore(container: PreparedContainer, frames: number, lastReadMs: number): void {
    this.#state = 'SEALED'
    this.container = container
    this.available = container.length
    this.contiguous = frames + 1
    this.lastReadMs = lastReadMs
  }

  /** More of the container may be read. */
  advance(available: number, contiguous: number): void {
    this.available = available
    this.contiguous = contiguous
    this.#tell()
  }

  /** Why there is nothing more to come. */
  get reason(): MdmError {
    return this.error ?? new MdmError('MDM_SOURCE_INCOMPLETE', 'the preparation was given up')
  }

  /** A reader or a pin: keeps the preparation going until the result is called. */
  hold(): () => void {
    this.#holders++
    clearTimeout(this.#idle)
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#holders--
      this.lastReadMs = this.#now().getTime()
      if (this.#holders === 0) this.#becameIdle()
    }
  }

  /** Calls back on every change until the result is called. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  /**
   * Waits until the status line may be sent: key, header and first slice are there.
   *
   * @throws what the preparation failed of, or the signal's reason
   */
  whenOpen(signal: AbortSignal): Promise<void> {
    return this.#when(['FILLING', 'SEALED'], signal)
  }

  /**
   * Waits until every byte is there. Whoever waits holds it.
   *
   * @throws as whenOpen()
   */
  whenSealed(signal: AbortSignal): Promise<void> {
    return this.#when(['SEALED'], signal)
  }

  #when(states: readonly PreparationState[], signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.over) done(() => reject(this.reason))
        else if (states.includes(this.#state)) done(resolve)
        else if (signal.aborted) done(() => reject(signal.reason))
      }
      const unwatch = this.watch(look)
      const done = (how: () => void) => {
        unwatch()
        signal.removeEventListener('abort', look)
        how()
      }
      signal.addEventListener('abort', look, { once: true })
      look()
    })
  }

  #becameIdle(): void {
    if (this.#state === 'SEALED' || this.over) return
    this.#idle = setTimeout(() => this.move('EXPIRED'), this.#idleMs)
    this.#idle.unref()
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }
}

/** What a client may know of a preparation: the reply of getPreparation. */
export interface PreparationReport {
  readonly state: Exclude<PreparationState, 'OPENING'>
  readonly contiguous?: number
  readonly code?: ErrorCode
  readonly message?: string
}

export function reportOf(preparation: Preparation): PreparationReport {
  const state = preparation.state === 'OPENING' ? 'KEYED' : preparation.state
  if (preparation.error !== undefined)
    return { state, code: preparation.error.code, message: preparation.error.message }
  return state === 'EXPIRED' ? { state } : { state, contiguous: preparation.contiguous }
}
