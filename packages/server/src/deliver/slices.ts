import { ERRORS, MdmError } from '@mdm/core/errors'
import { free } from '@mdm/core/memory'
import type { VolumeRecord } from '../catalog/catalog.ts'
import type { RetrievedFrame, SliceSource, Wanted } from '../dicom/source.ts'
import { sliceVoxels } from '../volume/assemble.ts'
import type { SliceRow } from '../volume/plan.ts'

/** The voxels of one slice, checked against its row; `voxels` has sliceBytes bytes and is the taker's to free. */
export interface ReceivedSlice {
  readonly row: SliceRow
  readonly voxels: Buffer
}

/** How often the source is asked: once for all, once more for what did not come (FLOW 2.5). */
const ATTEMPTS = 2

/**
 * Every slice of a volume from its source, once, in the order the source likes. The source is asked for the next one only
 * when the last was taken.
 *
 * @param o `silenceMs`: how long the source may be silent before that counts as a fault
 * @throws MDM_SOURCE_CHANGED when a slice differs from its row, comes twice or was not asked for
 * @throws MDM_SOURCE_UNREACHABLE when nothing came | MDM_SOURCE_INCOMPLETE when some never came
 */
export async function* receiveSlices(
  record: VolumeRecord,
  o: { source: SliceSource; signal: AbortSignal; silenceMs: number },
): AsyncGenerator<ReceivedSlice> {
  const missing = Map.groupBy(record.slices, (row) => frameOf(row.sop, row.frame ?? 0))
  const ref = { study: record.study, series: record.series }
  let fault: unknown
  for (let attempt = 1; attempt <= ATTEMPTS && missing.size > 0; attempt++) {
    const frames = listen(o.source.retrieve(ref, wantedOf(missing), o.signal), o)
    try {
      for (;;) {
        let next: IteratorResult<RetrievedFrame>
        try {
          next = await frames.next()
        } catch (error) {
          if (!worthAsking(error, o.signal)) throw asChanged(error)
          fault = error
          break
        }
        if (next.done === true) break
        yield* checked(next.value, missing, record)
      }
    } finally {
      frames.close()
    }
  }
  const lacking = [...missing.values()].reduce((sum, rows) => sum + rows.length, 0)
  if (lacking > 0) throw neverCame(lacking, record.slices.length, fault)
}

function frameOf(sop: string, frame: number): string {
  return `${frame} ${sop}`
}

/** The frames of each object that are missing, objects in the order of their first slice. */
function wantedOf(missing: ReadonlyMap<string, readonly SliceRow[]>): Wanted[] {
  const rows = [...missing.values()].map(([row]) => row!)
  return [...Map.groupBy(rows, ({ sop }) => sop)].map(([sop, ofObject]) => ({
    sop,
    frames: ofObject.map(({ frame }) => frame ?? 0),
  }))
}

/** The slices that one frame holds: one, unless it is of tiles. What follows the last of them is not needed any more. */
function* checked(
  frame: RetrievedFrame,
  missing: Map<string, SliceRow[]>,
  record: VolumeRecord,
): Generator<ReceivedSlice> {
  const name = frameOf(frame.header.sop, frame.frame)
  const rows = missing.get(name)
  if (rows === undefined)
    throw new MdmError('MDM_SOURCE_CHANGED', 'the source sent a slice twice, or one not asked for')
  missing.delete(name)
  const slices = rows.map((row) => ({ row, voxels: sliceVoxels(frame, row, record.volume) }))
  if (slices.every(({ voxels }) => voxels.buffer !== frame.pixels.buffer)) free(frame.pixels)
  if (slices.some(({ voxels }) => voxels.length !== record.sliceBytes))
    throw new MdmError('MDM_SOURCE_CHANGED', 'a slice has another length')
  yield* slices
}

/** What the second attempt may mend; a changed or refused object stays what it is. */
function worthAsking(error: unknown, signal: AbortSignal): boolean {
  return !signal.aborted && (!(error instanceof MdmError) || ERRORS[error.code].retry)
}

/** A series the source no longer knows was changed there; to the caller it is not a volume that never existed. */
function asChanged(error: unknown): unknown {
  if (!(error instanceof MdmError) || error.code !== 'MDM_NOT_FOUND') return error
  return new MdmError('MDM_SOURCE_CHANGED', 'the source does not know the series any more', { cause: error })
}

function neverCame(missing: number, all: number, cause: unknown): MdmError {
  if (missing < all || cause === undefined) {
    const message = `${missing} of ${all} slices did not come, though asked for twice`
    return new MdmError('MDM_SOURCE_INCOMPLETE', message, { cause, details: { missing, slices: all } })
  }
  return cause instanceof MdmError ? cause : new MdmError('MDM_SOURCE_UNREACHABLE', undefined, { cause })
}

/**
 * The instances of one attempt. next() rejects when the signal aborts or the source is silent, even if the source ignores
 * both. Not Promise.race with one long-lived promise: that would keep every instance alive until the end.
 */
function listen<T>(source: AsyncIterable<T>, o: { signal: AbortSignal; silenceMs: number }) {
  const iterator = source[Symbol.asyncIterator]()
  let waiting: PromiseWithResolvers<IteratorResult<T>> | undefined
  const giveUp = (why: unknown) => waiting?.reject(why)
  const aborted = () => giveUp(o.signal.reason)
  const silent = () => giveUp(new MdmError('MDM_SOURCE_UNREACHABLE', 'the image source is silent'))
  // one timer and one listener for all slices, of which there may be tens of thousands
  const timer = setTimeout(silent, o.silenceMs)
  o.signal.addEventListener('abort', aborted, { once: true })
  return {
    next(): Promise<IteratorResult<T>> {
      const mine = Promise.withResolvers<IteratorResult<T>>()
      waiting = mine
      timer.refresh()
      if (o.signal.aborted) aborted()
      else iterator.next().then(mine.resolve, mine.reject)
      return mine.promise
    },
    close(): void {
      clearTimeout(timer)
      o.signal.removeEventListener('abort', aborted)
      // not awaited: a source that hangs must not hold the preparation
      iterator.return?.().catch(() => undefined)
    },
  }
}
