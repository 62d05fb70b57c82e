import { MdmError } from '@mdm/core/errors'
import { collectEarly } from '@mdm/core/memory'
import type { Guid, SiteId, Version } from '@mdm/core/names'
import { Timing } from '@mdm/core/timing'
import type { Catalog, VolumeRecord } from '../catalog/catalog.ts'
import type { SliceSource } from '../dicom/source.ts'
import { createEnded, type Ended } from './ended.ts'
import {
  Preparation,
  reportOf,
  type PreparationKey,
  type PreparationReport,
  type PreparationState,
} from './preparation.ts'
import { prepare, type FileKeys } from './prepare.ts'
import { createQuota, type Quota } from './quota.ts'
import { createDiscard, restoreSpool, spoolPaths } from './spool.ts'
import { createWindow, WINDOW_BYTES, type Window } from './window.ts'

/** An unfinished preparation that nobody reads or pins is given up after this time (FLOW 2.8). */
const IDLE_MS = 30_000
/** A source that sends nothing for this time is asked again. */
const SILENCE_MS = 120_000

export interface DeliveryOptions {
  readonly catalog: Pick<Catalog, 'recordDigest'>
  /** by name */
  readonly sources: ReadonlyMap<string, SliceSource>
  readonly keys: FileKeys
  readonly site: SiteId
  /** folder for ciphertext, ours alone */
  readonly spoolDir: string
  readonly quotaBytes: number
  readonly now?: () => Date
  readonly idleMs?: number
  readonly silenceMs?: number
  readonly windowBytes?: number
}

/** A preparation that may be read, and a hold on it: a reader, or a pin. Call `release` once. */
export interface Lease {
  readonly preparation: Preparation
  readonly etag: string
  readonly length: number
  release(): void
}

/** What is to be delivered; its record may be read when a preparation must begin, which most readers find there. */
export type Deliverable = VolumeRecord | (PreparationKey & { read(): Promise<VolumeRecord> })

/** FLOW 2: containers for readers, each prepared once. */
export interface Delivery {
  /**
   * Joins the preparation of a volume or begins one, and waits until it can be read.
   *
   * @throws what the preparation failed of; see prepare()
   */
  open(volume: Deliverable, o: { signal: AbortSignal; timing?: Timing }): Promise<Lease>
  /** The preparation whose container is whole in the spool, to be looked at or held; undefined when there is none. */
  sealed(key: PreparationKey): Preparation | undefined
  /** The state of a preparation, until 10 minutes after its end; undefined when unknown. */
  report(guid: Guid, etag: string): { version: Version; report: PreparationReport } | undefined
  /** What is there now, in numbers. */
  counts(): DeliveryCounts
  /** Gives up what is unfinished and waits until its files are gone. */
  close(): Promise<void>
}

/** How much is prepared and kept; no name of anything. */
export interface DeliveryCounts {
  /** preparations that are not over */
  readonly states: Readonly<Partial<Record<PreparationState, number>>>
  readonly spoolUsedBytes: number
  readonly spoolQuotaBytes: number
  /** of what is used, what would go for another preparation */
  readonly spoolIdleBytes: number
  /** plaintext that waits for its frame, in memory */
  readonly windowBytes: number
}

/** Takes over the spool folder: deletes what was unfinished, serves what was sealed. Only one process may use a folder. */
export function createDelivery(o: DeliveryOptions): Delivery {
  collectEarly()
  return new PreparedDelivery(o)
}

class PreparedDelivery implements Delivery {
  readonly #o: DeliveryOptions
  readonly #now: () => Date
  readonly #preparations = new Map<string, Preparation>()
  readonly #running = new Set<Promise<void>>()
  readonly #quota: Quota
  readonly #window: Window
  readonly #ended: Ended
  readonly #discard = createDiscard()
  #closed = false

  constructor(o: DeliveryOptions) {
    this.#o = o
    this.#now = o.now ?? (() => new Date())
    this.#window = createWindow(o.windowBytes ?? WINDOW_BYTES)
    this.#ended = createEnded(this.#now)
    this.#quota = createQuota(o.quotaBytes, () => this.#evict())
    this.#restore()
  }

  async open(
    volume: Deliverable,
    { signal, timing = new Timing() }: { signal: AbortSignal; timing?: Timing },
  ): Promise<Lease> {
    this.#requireOpen()
    let preparation = this.#preparations.get(nameOf(volume))
    if (preparation === undefined) {
      const record = 'read' in volume ? await volume.read() : volume
      this.#requireOpen()
      // another reader may have begun it meanwhile
      preparation = this.#preparations.get(nameOf(record)) ?? this.#begin(record, timing)
    }
    const release = preparation.hold()
    try {
      await preparation.whenOpen(signal)
      const { etag, length } = preparation.container!
      return { preparation, etag, length, release }
    } catch (error) {
      release()
      throw error
    }
  }

  sealed(key: PreparationKey): Preparation | undefined {
    const preparation = this.#preparations.get(nameOf(key))
    return preparation?.state === 'SEALED' ? preparation : undefined
  }

  report(guid: Guid, etag: string): { version: Version; report: PreparationReport } | undefined {
    for (const preparation of this.#preparations.values()) {
      if (preparation.container?.etag === etag && preparation.key.guid === guid)
        return { version: preparation.key.version, report: reportOf(preparation) }
    }
    return this.#ended.find(guid, etag)
  }

  counts(): DeliveryCounts {
    const states: Partial<Record<PreparationState, number>> = {}
    let spoolIdleBytes = 0
    for (const { state, held, container } of this.#preparations.values()) {
      states[state] = (states[state] ?? 0) + 1
      if (state === 'SEALED' && !held) spoolIdleBytes += container!.length
    }
    return {
      states,
      spoolUsedBytes: this.#quota.used,
      spoolQuotaBytes: this.#o.quotaBytes,
      spoolIdleBytes,
      windowBytes: this.#window.lentBytes,
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const preparation of this.#preparations.values())
      if (preparation.state !== 'SEALED') preparation.move('EXPIRED')
    await Promise.all(this.#running)
  }

  #requireOpen(): void {
    if (this.#closed) throw new MdmError('MDM_UNREACHABLE', 'the site is stopping')
  }

  #begin(record: VolumeRecord, timing: Timing): Preparation {
    const { guid, version, kid, profile } = record
    const preparation = this.#keep({ guid, version, kid, profile })
    const context = {
      ...this.#o,
      quota: this.#quota,
      window: this.#window,
      discard: this.#discard,
      silenceMs: this.#o.silenceMs ?? SILENCE_MS,
    }
    const run = prepare(preparation, record, context, timing)
      .catch((error: unknown) => void preparation.move('FAILED', asMdmError(error)))
      .finally(() => this.#running.delete(run))
    this.#running.add(run)
    return preparation
  }

  /** Keeps a preparation under its name until it is over. */
  #keep(key: PreparationKey): Preparation {
    const preparation = new Preparation(key, { now: this.#now, idleMs: this.#o.idleMs ?? IDLE_MS })
    const name = nameOf(key)
    this.#preparations.set(name, preparation)
    const unwatch = preparation.watch(() => {
      if (!preparation.over) return
      unwatch()
      if (this.#preparations.get(name) === preparation) this.#preparations.delete(name)
      this.#ended.add(preparation)
    })
    return preparation
  }

  /** Lets the least recently read sealed container go that nobody reads or pins. */
  #evict(): boolean {
    let oldest: Preparation | undefined
    for (const preparation of this.#preparations.values()) {
      if (preparation.state !== 'SEALED' || preparation.held) continue
      if (oldest === undefined || preparation.lastReadMs < oldest.lastReadMs) oldest = preparation
    }
    if (oldest === undefined) return false
    const { length, etag } = oldest.container!
    oldest.move('EXPIRED')
    this.#quota.release(length)
    const gone = this.#discard(...Object.values(spoolPaths(this.#o.spoolDir, etag))).finally(() =>
      this.#running.delete(gone),
    )
    this.#running.add(gone)
    return true
  }

  #restore(): void {
    for (const { header, path, modifiedMs } of restoreSpool(this.#o.spoolDir)) {
      const { guid, version, kid, profile, site } = header.context
      const key = { guid, version, kid, profile }
      try {
        if (site !== this.#o.site || this.#preparations.has(nameOf(key))) throw new MdmError('MDM_SPOOL_FULL')
        this.#quota.reserve(header.length)
      } catch {
        void this.#discard(path)
        continue
      }
      const preparation = this.#keep(key)
      preparation.restore({ etag: header.etag, length: header.length, path }, header.frames, modifiedMs)
    }
  }
}

function nameOf(key: PreparationKey): string {
  return `${key.guid} ${key.version} ${key.kid} ${key.profile}`
}

function asMdmError(error: unknown): MdmError {
  return error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
}
