import { setImmediate as turn } from 'node:timers/promises'
import { ERRORS, MdmError, type ErrorCode } from '@mdm/core/errors'
import type { Guid } from '@mdm/core/names'
import { noCounts, type RegisterEvent } from '@mdm/core/wire/register'
import type { AuditCaller } from '../audit/audit.ts'
import { seriesKey } from '../dicom/same-series.ts'
import type { DicomSource, FoundSeries, SeriesFilter, SeriesRef } from '../dicom/source.ts'
import type { Log } from '../http/log.ts'
import { originOf } from '../http/problem.ts'
import type { SiteStore } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { Feed } from './feed.ts'
import { refusalDigest } from './fingerprints.ts'
import { flushOutbox } from './outbox.ts'
import { AWAY, volumesOf } from './presence.ts'
import { endQuarantine, quarantine } from './quarantine.ts'
import { registerSeries, seriesHandle } from './register-series.ts'
import type { InFlight, Outcome, RegisterOptions } from './register-series.ts'

/** Series after which others get their turn: looking at a known one is all work of the processor. */
const AT_ONCE = 50
/** Series that in a row found their source away before the job gives up. */
const MOST_UNREACHABLE = 3

/** What one series can do to itself: others go on. */
const OF_ONE_SERIES = new Set<ErrorCode>(['MDM_SOURCE_INCOMPLETE', 'MDM_SOURCE_UNREACHABLE'])

export interface SourceOptions extends RegisterOptions {
  readonly log: Log
  /** told what became of each volume */
  readonly ended?: (outcome: Exclude<Outcome['type'], 'set'> | 'failed') => void
}

/** What is asked of one source. */
export interface SourceJob {
  readonly source: DicomSource
  readonly caller: AuditCaller
  readonly signal: AbortSignal
  readonly feed: Feed<RegisterEvent>
  /** only these series */
  readonly named?: readonly SeriesRef[] | undefined
  /** only what the source finds by this */
  readonly filter?: SeriesFilter | undefined
  /** false: known series of which the source has as many objects as before are not read */
  readonly recheck: boolean
  /** slices may be missing or uneven */
  readonly allowGaps?: boolean | undefined
}

/** Registers what is asked for of one source, and tells everything to the job's feed but an end by error. */
export async function registerSource(o: SourceOptions, inFlight: InFlight, job: SourceJob): Promise<void> {
  const { source, signal, feed } = job
  const isWhole = job.named === undefined && job.filter === undefined
  const series = await seriesOf(job)
  const counts = noCounts()
  const faults = containFaults(o.log)
  const tell = (outcome: Outcome | { type: 'failed'; code: ErrorCode }, ref?: SeriesRef) => {
    if (outcome.type !== 'set') {
      o.ended?.(outcome.type)
      counts[outcome.type]++
    }
    feed.push({ ...eventOf(outcome), ...(ref === undefined ? {} : { series: seriesHandle(o, ref) }) })
  }
  if (isWhole) for (const outcome of await sourceFaults(o, source, job.caller)) tell(outcome)
  const register = async (ref: SeriesRef): Promise<void> => {
    for await (const outcome of registerSeries(o, inFlight, { ...job, ref })) tell(outcome, ref)
  }
  const attempt = (ref: SeriesRef, work: () => Promise<void>): Promise<void> =>
    faults.contain(work, (code) => tell({ type: 'failed', code }, ref))
  // A hundred steps are enough for a person, and few beside what else is told.
  const step = Math.ceil(series.length / 100)
  for (const [done, ref] of series.entries()) {
    if (done % step === 0) feed.push({ type: 'progress', done, total: series.length })
    if (done % AT_ONCE === AT_ONCE - 1) await turn()
    signal.throwIfAborted()
    await attempt(ref, async () => {
      const known = job.recheck ? undefined : await unchanged(o, job, ref)
      if (known === undefined) await register(ref)
      else for (const guid of known) tell({ type: 'already', guid }, ref)
    })
  }
  feed.push({ type: 'progress', done: series.length, total: series.length })
  for (const ref of isWhole ? await departed(o.db, source.name, series) : []) {
    signal.throwIfAborted()
    await attempt(ref, () => register(ref))
  }
  faults.throwFirst()
  feed.push({ type: 'done', counts })
}

/** What is meant, as the source has it now. */
async function seriesOf({ source, named, filter, signal }: SourceJob): Promise<readonly FoundSeries[]> {
  if (named === undefined) return await source.series({ signal, ...(filter && { filter }) })
  await bringUpToDate(source, named, signal)
  return named
}

/** A source that keeps an index brings it up to date when it is asked for anything; all else costs a question about one series. */
export async function bringUpToDate(
  source: DicomSource,
  [first]: readonly SeriesRef[],
  signal: AbortSignal,
): Promise<void> {
  if (first !== undefined) await source.series({ filter: { ...first }, signal })
}

function eventOf(outcome: Outcome | { type: 'failed'; code: ErrorCode }) {
  if (outcome.type !== 'waiting') return outcome
  return { type: outcome.type, code: 'MDM_WAITING', message: outcome.message }
}

/** GUIDs of a series that is registered whole, and of which the source has what it had when it was last read to the end. */
async function unchanged(
  o: SourceOptions,
  { source, signal }: SourceJob,
  ref: FoundSeries,
): Promise<Guid[] | undefined> {
  const stood = await o.db
    .selectFrom('series_counts')
    .select(['objects', 'mark'])
    .where('source', '=', source.name)
    .where('study', '=', ref.study)
    .where('series', '=', ref.series)
    .executeTakeFirst()
  if (stood === undefined || (stood.mark !== null && (ref.mark ?? stood.mark) !== stood.mark))
    return undefined
  if (await o.journal.isOpen(seriesHandle(o, ref))) return undefined
  const volumes = (await volumesOf(o.db, source.name, ref)).filter(({ goneSince }) => goneSince === null)
  if (volumes.length === 0) return undefined
  const objects = ref.objects ?? (await source.count(ref, signal))
  return objects === stood.objects ? volumes.map(({ guid }) => guid) : undefined
}

/**
 * Series of which something is registered or refused, and that the source no longer tells of; each is asked for once more.
 *
 * @throws MDM_SOURCE_UNREACHABLE when it tells of none at all
 */
async function departed(db: SiteStore, source: string, there: readonly SeriesRef[]): Promise<SeriesRef[]> {
  const seen = new Set(there.map(seriesKey))
  const registered = await db
    .selectFrom('volumes')
    .select(['study', 'series'])
    .distinct()
    .where('source', '=', source)
    .where('gone_since', 'is', null)
    .execute()
  const refused = await db
    .selectFrom('quarantine')
    .select(['study', 'series'])
    .distinct()
    .where('source', '=', source)
    .where('series', '<>', '')
    .where('released', 'is', null)
    .execute()
  if (there.length === 0 && registered.length >= AWAY)
    throw new MdmError('MDM_SOURCE_UNREACHABLE', `source ${source} shows nothing of what it had`)
  const missing = [...registered, ...refused].filter((ref) => !seen.has(seriesKey(ref)))
  return [...new Map(missing.map((ref) => [seriesKey(ref), ref])).values()]
}

/** One series that cannot be handled must not keep the others out; the first fault is told when all are done. */
export function containFaults(log: Log) {
  let first: unknown
  let unreachable = 0
  return {
    async contain(work: () => Promise<void>, failed?: (code: ErrorCode) => void): Promise<void> {
      try {
        await work()
        unreachable = 0
      } catch (error) {
        const known =
          error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
        failed?.(known.code)
        unreachable = known.code === 'MDM_SOURCE_UNREACHABLE' ? unreachable + 1 : 0
        // What is wrong with the store, the audit log or the whole source is wrong for every series.
        if (unreachable === MOST_UNREACHABLE) throw error
        if (ERRORS[known.code].retry && !OF_ONE_SERIES.has(known.code)) throw error
        if (first !== undefined) log.error({ event: 'series-failed', code: known.code, at: originOf(known) })
        first ??= error
      }
    },
    throwFirst(): void {
      if (first !== undefined) throw first
    },
  }
}

/** Objects too damaged to belong to a series are refused as well. */
async function sourceFaults(
  o: RegisterOptions,
  source: DicomSource,
  caller: AuditCaller,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const series: SeriesRef = { study: '', series: '' }
  const kept = []
  for (const { code, objects } of source.faults()) {
    const reason = `${objects} objects belong to no series because they cannot be read`
    const digest = refusalDigest(o.localKey, { source: source.name, series, code, reason, sops: [] })
    const of = { source: source.name, series, digest, caller, now: o.now() }
    const refusal = { code, reason, instances: objects }
    const { isDropped, ...refused } = await inTransaction(o.db, (trx) => quarantine(trx, refusal, of))
    outcomes.push(
      isDropped ? { type: 'dropped', quarantine: refused.quarantine } : { type: 'refused', refused },
    )
    kept.push(digest)
  }
  await endQuarantine(o.db, { source: source.name, series, kept, why: 'changed', caller })
  await flushOutbox(o.db, o.audit)
  return outcomes
}
