import { MdmError } from '@mdm/core/errors'
import { seriesKey } from '../../dicom/same-series.ts'
import type { DicomSource, FoundSeries } from '../../dicom/source.ts'
import type { SiteStore } from '../../store/site-store.ts'
import { AWAY } from '../presence.ts'
import { knownSeries, seriesSince, type KnownSeries } from './known-series.ts'
import { saveLook } from './looks.ts'
import { setCount, type Counted } from './notice-rows.ts'
import type { Hint, Notices } from './notices.ts'

/** Known series that are counted one by one in one look, where the source does not say all counts at once. */
const COUNTS_AT_ONCE = 500
const DAY_MS = 86_400_000

export interface PollOptions {
  readonly db: SiteStore
  readonly notices: Notices
  readonly source: DicomSource
  readonly pollDays: number | undefined
  readonly now: () => Date
}

/**
 * Compares what a source has with what is registered, and notes what differs: a series that is not known, one that grew, shrank or
 * was overwritten, and one that is gone. No header is read.
 *
 * @returns a function that looks once
 * @throws MDM_SOURCE_UNREACHABLE, MDM_STORE from that function: then nothing was noted
 */
export function createPoll(o: PollOptions): (signal: AbortSignal) => Promise<void> {
  const { db, notices, source, now } = o
  let counted = 0
  return async (signal) => {
    // One day more, since the source's calendar may be behind ours.
    const since = o.pollDays === undefined ? undefined : new Date(now().getTime() - (o.pollDays + 1) * DAY_MS)
    const from = since?.toISOString().slice(0, 10)
    const filter = from === undefined ? {} : { filter: { studyDate: { from: from.replaceAll('-', '') } } }
    const found = await source.series({ ...filter, signal })
    const known = await knownSeries(db, source.name)
    const expected = from === undefined ? known : await seriesSince(db, source.name, from)
    const present = new Map(found.map((series) => [seriesKey(series), series]))
    const gone = [...known].flatMap(([key, { ref, objects }]) =>
      objects > 0 && expected.has(key) && !present.has(key) ? [ref] : [],
    )
    if (present.size === 0 && gone.length >= AWAY)
      throw new MdmError('MDM_SOURCE_UNREACHABLE', `source ${source.name} shows nothing of what it had`)

    const asked = await countSome([...present.values()], { source, known, from: counted, signal })
    counted = asked.next
    const hints: Hint[] = gone.map((ref) => ({ source: source.name, ref, objects: 0 }))
    const learnt: Counted[] = []
    for (const [key, series] of present) {
      const objects = series.objects ?? asked.counts.get(key)
      const stands = { source: source.name, ref: series, objects, mark: series.mark }
      const before = known.get(key)
      if (before === undefined || differs(before, stands)) hints.push(stands)
      else if (objects !== undefined && (!before.counted || before.mark !== series.mark))
        learnt.push({ ...stands, objects })
    }
    await notices.note(
      'poll',
      hints.filter((hint) => isNew(notices, hint)),
      async (trx) => {
        for (const series of learnt) await setCount(trx, series, now())
        await saveLook(trx, { source: source.name, by: 'poll', at: now() })
      },
    )
  }
}

type Stands = Pick<Hint, 'objects' | 'mark'>

function differs(before: Pick<KnownSeries, 'objects' | 'mark'>, { objects, mark }: Stands): boolean {
  return (
    (objects !== undefined && objects !== before.objects) ||
    (mark !== undefined && before.mark !== undefined && mark !== before.mark)
  )
}

/** False for what is noticed already as it is found: a series that is looked at often must still become quiet. */
function isNew(notices: Notices, hint: Hint): boolean {
  const notice = notices.find(hint.source, hint.ref)
  if (notice === undefined) return true
  const sameMark = hint.mark === undefined || hint.mark === notice.mark
  const objects = notice.counted?.objects
  return !sameMark || (objects !== undefined && hint.objects !== undefined && objects !== hint.objects)
}

/** Asks for the counts of known series that the source did not give, some in each look, all in turn. */
async function countSome(
  found: readonly FoundSeries[],
  o: {
    source: DicomSource
    known: ReadonlyMap<string, KnownSeries>
    from: number
    signal: AbortSignal
  },
): Promise<{ counts: Map<string, number>; next: number }> {
  const uncounted = found.filter((series) => series.objects === undefined && o.known.has(seriesKey(series)))
  const from = o.from < uncounted.length ? o.from : 0
  const counts = new Map<string, number>()
  for (const series of uncounted.slice(from, from + COUNTS_AT_ONCE))
    counts.set(seriesKey(series), await o.source.count(series, o.signal))
  return { counts, next: from + counts.size }
}
