import type { KeyObject } from 'node:crypto'
import { frameCount } from '@mdm/core/crypto/container/profile'
import { MdmError } from '@mdm/core/errors'
import type { Timing } from '@mdm/core/timing'
import type { VolumeRecord } from '../catalog/catalog.ts'
import type { SliceSource } from '../dicom/source.ts'
import { fill, giveName, type FillContext } from './fill.ts'
import type { Preparation } from './preparation.ts'
import type { Quota } from './quota.ts'
import { receiveSlices, type ReceivedSlice } from './slices.ts'
import { spillLength } from './spill.ts'

/** Rebuilds file keys from the key servers and checks them against manifest and key commitment. */
export interface FileKeys {
  /** @throws MDM_BELOW_THRESHOLD | MDM_MANIFEST | MDM_COMMITMENT */
  fetch(record: VolumeRecord, signal: AbortSignal): Promise<KeyObject>
}

/** What the preparations of a process share. */
export interface PrepareContext extends FillContext {
  readonly sources: ReadonlyMap<string, SliceSource>
  readonly keys: FileKeys
  readonly quota: Quota
  /** how long a source may be silent, ms */
  readonly silenceMs: number
}

/**
 * Runs one preparation from OPENING to SEALED. What it throws is what the preparation FAILED of; its files are gone by
 * then and its room is free. When it returns, `record.containerBytes` of the quota stay taken by the sealed container.
 *
 * @throws MDM_SPOOL_FULL | MDM_SOURCE_UNREACHABLE | MDM_SOURCE_INCOMPLETE | MDM_SOURCE_CHANGED, and what FileKeys throws
 */
export async function prepare(
  preparation: Preparation,
  record: VolumeRecord,
  o: PrepareContext,
  timing: Timing,
): Promise<void> {
  const source = o.sources.get(record.source)
  if (source === undefined)
    throw new MdmError('MDM_SOURCE_UNREACHABLE', 'the source of this volume is not configured')
  // Room for a whole spill file too: a bad order of the slices must not cut an answer that has begun.
  const spillBytes = spillLength(
    record.plaintextBytes,
    record.slices.length + frameCount(record.plaintextBytes),
  )
  o.quota.reserve(record.containerBytes + spillBytes)
  let sealed = false
  try {
    const slices = receiveSlices(record, { source, signal: preparation.signal, silenceMs: o.silenceMs })
    try {
      const opened = () => open(preparation, record, slices, o, timing)
      const file = await fill(preparation, record, await opened(), o, timing)
      sealed = true
      await giveName(preparation, file, o.discard)
    } finally {
      // not awaited: a source that hangs ends when the signal aborts
      slices.return(undefined).catch(() => undefined)
    }
  } finally {
    o.quota.release(sealed ? spillBytes : record.containerBytes + spillBytes)
  }
}

/** Fetches the key and the first slice at the same time: both are remote calls, which are what a get costs (paper 6.2). */
async function open(
  preparation: Preparation,
  record: VolumeRecord,
  slices: AsyncGenerator<ReceivedSlice>,
  o: PrepareContext,
  timing: Timing,
): Promise<{ fileKey: KeyObject; slices: AsyncGenerator<ReceivedSlice> }> {
  const [fileKey, first] = await Promise.all([
    timing.measure('retrieve-key', () => o.keys.fetch(record, preparation.signal)),
    timing.measure('dicom-transaction', () => slices.next()),
  ])
  preparation.signal.throwIfAborted()
  return { fileKey, slices: from(first, slices) }
}

async function* from<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  if (first.done === true) return
  yield first.value
  yield* rest
}
