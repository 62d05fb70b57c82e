import { MdmError } from '@mdm/core/errors'
import type { Catalog } from '../../catalog/catalog.ts'
import type { Delivery } from '../../deliver/delivery.ts'
import { asMdmError, FilePin, PinnedVolume, type Pin, type Prepared, type Waiter } from './pinned-volume.ts'

/** Preparations begun for requests and not yet sealed, at most; a source has a budget of its own beside. */
const MAX_STARTED = 16
/** Of these, of one caller: a source that hangs must not hold up those who want others. */
const MAX_OF_ONE = 12
/** How often what waits for room is tried, ms: readers beside us let go of room too. */
const AGAIN_MS = 2_000

/** Volumes that files wait for or hold: each is prepared once, however many files there are. */
export interface Pins {
  /** A container that lies in the spool is READY at once. */
  take(volume: Prepared, waiter: Waiter): Pin
  /** bytes of what is READY, each volume once */
  readonly pinnedBytes: number
  close(): Promise<void>
}

export interface PinsOptions {
  readonly catalog: Pick<Catalog, 'volume'>
  readonly delivery: Pick<Delivery, 'open' | 'sealed' | 'counts'>
  readonly againMs?: number
}

export function createPins(o: PinsOptions): Pins {
  return new PinnedVolumes(o)
}

class PinnedVolumes implements Pins {
  readonly #o: PinsOptions
  readonly #againMs: number
  readonly #volumes = new Map<string, PinnedVolume>()
  readonly #started = new Set<PinnedVolume>()
  readonly #running = new Set<Promise<void>>()
  #again: NodeJS.Timeout | undefined
  #closed = false

  constructor(o: PinsOptions) {
    this.#o = o
    this.#againMs = o.againMs ?? AGAIN_MS
  }

  take(volume: Prepared, waiter: Waiter): Pin {
    const name = nameOf(volume)
    let pinned = this.#volumes.get(name)
    // what FAILED is begun anew by whoever comes then
    if (pinned === undefined || pinned.error !== undefined) {
      pinned = new PinnedVolume(volume)
      this.#volumes.set(name, pinned)
    }
    const of = pinned
    const pin = new FilePin(waiter, of, (left) => this.#leave(of, left))
    of.pins.add(pin)
    const waits = of.state === 'QUEUED' && !this.#started.has(of)
    const sealed = waits ? this.#o.delivery.sealed(volume) : undefined
    if (sealed !== undefined) {
      of.release = sealed.hold()
      of.state = 'READY'
      of.tell()
    } else if (waits) this.#pump()
    return pin
  }

  get pinnedBytes(): number {
    return [...this.#volumes.values()].reduce(
      (sum, { state, volume }) => sum + (state === 'READY' ? volume.bytes : 0),
      0,
    )
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#again)
    for (const pinned of this.#volumes.values()) {
      pinned.stop.abort(new MdmError('MDM_UNREACHABLE', 'the site is stopping'))
      pinned.letGo()
    }
    await Promise.all(this.#running)
  }

  #leave(pinned: PinnedVolume, pin: FilePin): void {
    if (!pinned.pins.delete(pin) || pinned.pins.size > 0) return
    pinned.stop.abort(new MdmError('MDM_UNREACHABLE', 'nobody waits for it'))
    pinned.letGo()
    const name = nameOf(pinned.volume)
    if (this.#volumes.get(name) === pinned) this.#volumes.delete(name)
    this.#roomCame()
  }

  #roomCame(): void {
    // Who waits for an answer is not helped by room.
    for (const { lacking } of this.#volumes.values())
      if (lacking !== undefined && lacking.bytes > 0) lacking.untilMs = 0
    this.#pump()
  }

  /** Starts as many as may be under way. */
  #pump(): void {
    while (!this.#closed && this.#started.size < MAX_STARTED) {
      const next = this.#next()
      if (next === undefined) break
      this.#started.add(next)
      const run = this.#run(next).finally(() => {
        this.#started.delete(next)
        this.#running.delete(run)
        this.#pump()
      })
      this.#running.add(run)
    }
    clearTimeout(this.#again)
    if (this.#closed || ![...this.#volumes.values()].some(({ lacking }) => lacking !== undefined)) return
    this.#again = setTimeout(() => this.#roomCame(), this.#againMs).unref()
  }

  /** The one that waits longest, of the owner with the fewest under way, that may find room. */
  #next(): PinnedVolume | undefined {
    const underWay = Map.groupBy(this.#started, ({ owner }) => owner)
    const { spoolQuotaBytes, spoolUsedBytes, spoolIdleBytes } = this.#o.delivery.counts()
    const roomBytes = spoolQuotaBytes - spoolUsedBytes + spoolIdleBytes
    let best: PinnedVolume | undefined
    let fewest = Infinity
    for (const pinned of this.#volumes.values()) {
      if (pinned.state !== 'QUEUED' || pinned.error !== undefined || this.#started.has(pinned)) continue
      const { lacking } = pinned
      if (lacking !== undefined && (lacking.bytes > roomBytes || lacking.untilMs > performance.now()))
        continue
      const others = underWay.get(pinned.owner)?.length ?? 0
      if (others >= Math.min(fewest, MAX_OF_ONE)) continue
      best = pinned
      fewest = others
      if (others === 0) break
    }
    return best
  }

  async #run(pinned: PinnedVolume): Promise<void> {
    const { signal } = pinned.stop
    const { guid, version } = pinned.volume
    try {
      await pinned.dropRefused()
      signal.throwIfAborted()
      const record = await this.#o.catalog.volume(guid, version)
      if (record === undefined) throw new MdmError('MDM_NOT_FOUND')
      signal.throwIfAborted()
      pinned.state = 'IN_PROGRESS'
      pinned.tell()
      const lease = await this.#o.delivery.open(record, { signal })
      pinned.release = lease.release
      await lease.preparation.whenSealed(signal)
      signal.throwIfAborted()
      pinned.lacking = undefined
      pinned.state = 'READY'
    } catch (error) {
      pinned.letGo()
      if (signal.aborted) return
      const bytes = lackedBytesOf(error)
      const waitMs = bytes === undefined ? pinned.waitMs(error, this.#againMs) : this.#againMs
      if (waitMs === undefined) pinned.error = asMdmError(error)
      else {
        pinned.lacking = { bytes: bytes ?? 0, untilMs: performance.now() + waitMs }
        pinned.state = 'QUEUED'
      }
    }
    pinned.tell()
  }
}

/**
 * What may come by itself: room that others hold, in bytes, or the database. Undefined for what does not: more than the spool may ever
 * hold, a disk that fails, and whatever the source or the key servers said.
 */
function lackedBytesOf(error: unknown): number | undefined {
  if (!(error instanceof MdmError)) return undefined
  if (error.code === 'MDM_STORE') return 0
  const { neededBytes, limitBytes } = error.details
  if (error.code !== 'MDM_SPOOL_FULL' || typeof neededBytes !== 'number') return undefined
  return neededBytes <= Number(limitBytes) ? neededBytes : undefined
}

function nameOf({ guid, version }: Prepared): string {
  return `${guid}@${version}`
}
