import { setTimeout as sleep } from 'node:timers/promises'
import { MdmError } from '@mdm/core/errors'
import { noCounts, type RegisterEvent } from '@mdm/core/wire/register'
import type { AuditCaller } from '../audit/audit.ts'
import type { DicomSource, SeriesFilter, SeriesRef } from '../dicom/source.ts'
import type { Log } from '../http/log.ts'
import { originOf } from '../http/problem.ts'
import { createFeed, type Feed } from './feed.ts'
import type { OpenEntry } from './journal.ts'
import { notReady } from './key-servers.ts'
import type { NamedSeriesList } from './named-series.ts'
import { flushOutbox } from './outbox.ts'
import { hasFound, isRecalling, recall } from './recall.ts'
import { dropUnfinished } from './recovery.ts'
import { registerSeries, type InFlight } from './register-series.ts'
import { mergeFeeds } from './report.ts'
import {
  bringUpToDate,
  containFaults,
  registerSource,
  type SourceJob,
  type SourceOptions,
} from './source-job.ts'

/** How often what waits is tried again, ms. */
const RETRY_MS = 3_000
/** Jobs that may wait for one source. */
const MOST_JOBS = 16

export interface RegistrationOptions extends SourceOptions {
  /** by name */
  readonly sources: ReadonlyMap<string, DicomSource>
  /** in whose name a site registers what nobody asked for: its own */
  readonly self: AuditCaller
  /** 3,000 unless told */
  readonly retryMs?: number
}

/** What is to be registered: all of all sources, unless told. */
export interface Asked {
  readonly source?: string | undefined
  /** only what sources find by this */
  readonly filter?: SeriesFilter | undefined
  /** only these series */
  readonly named?: NamedSeriesList | undefined
  /** false: known series of which the source has as many objects as before are not read again */
  readonly recheck?: boolean | undefined
  /** slices may be missing or uneven: what is refused for that alone is registered, and says where its slices are */
  readonly allowGaps?: boolean | undefined
  readonly caller: AuditCaller
}

/** Registration as jobs: one at a time per source, independent of who asked for it. */
export interface Registration {
  /**
   * Starts registering; joins a job that already does the same.
   *
   * @returns its events, from the first one that is kept on; the last is `done` or `error`
   * @throws MDM_USAGE when the site has no such source; MDM_LIMIT when too many jobs wait for it
   */
  start(asked: Asked): AsyncGenerator<RegisterEvent, void>
  /**
   * Registers one series in the site's own name, after what its source is busy with. Resolves when the outcome is durable: a volume,
   * a refusal, or a row of the journal that goes on by itself.
   *
   * @throws MDM_SOURCE_UNREACHABLE, MDM_AUDIT, MDM_STORE
   */
  registerOne(source: DicomSource, ref: SeriesRef): Promise<void>
  /** Takes up what a stop or a missing key server left, and goes on doing so until close(). */
  resume(): void
  /** Stops at the next step; the journal keeps the rest. */
  close(): Promise<void>
}

export function createRegistration(o: RegistrationOptions): Registration {
  const stop = new AbortController()
  const { signal } = stop
  const inFlight: InFlight = new Set()
  const running = new Map<string, Feed<RegisterEvent>>()
  const busy = new Map<string, Promise<void>>()
  let loop: Promise<void> = Promise.resolve()

  /** One at a time per source: a second one waits for the first. */
  const alone = (source: string, work: () => Promise<void>): Promise<void> => {
    const next = (busy.get(source) ?? Promise.resolve())
      .catch(() => undefined)
      .then(work)
      .finally(() => {
        if (busy.get(source) === next) busy.delete(source)
      })
    busy.set(source, next)
    return next
  }

  const launch = (
    asked: Pick<SourceJob, 'source' | 'caller' | 'filter' | 'named' | 'recheck' | 'allowGaps'>,
  ): Feed<RegisterEvent> => {
    const { source, filter, named, recheck, allowGaps = false } = asked
    const question = JSON.stringify([source.name, filter ?? null, named ?? null, recheck, allowGaps])
    const joined = running.get(question)
    if (joined !== undefined) return joined
    if ([...running.keys()].filter((other) => other.startsWith(`["${source.name}",`)).length >= MOST_JOBS)
      throw new MdmError('MDM_LIMIT', 'too many registrations wait for this source')
    const feed = createFeed<RegisterEvent>()
    running.set(question, feed)
    void alone(source.name, async () => {
      try {
        await registerSource(o, inFlight, { ...asked, signal, feed })
      } catch (error) {
        feed.push(failure(o.log, error))
      } finally {
        running.delete(question)
        feed.end()
      }
    })
    return feed
  }

  let looked = false
  /** A site that was put back finds by itself what was registered since. */
  const lookEverywhere = async (): Promise<void> => {
    if (looked || !(await hasFound(o.db))) return
    looked = true
    for (const source of o.sources.values()) launch({ source, caller: o.self, recheck: true })
  }

  const takeUp = async (): Promise<void> => {
    if ((await isRecalling(o.db)) && !(await recall(o, signal))) return
    await lookEverywhere()
    await o.pseudonyms.takeUp(signal)
    await flushOutbox(o.db, o.audit)
    await dropUnfinished({ db: o.db, journal: o.journal, keyServers: o.keyServers(), inFlight, signal })
    const open = (await o.journal.open()).filter((entry) => !busy.has(entry.source))
    if (open.length === 0 || (await o.pseudonyms.isMissing())) return
    if ((await notReady(o.keyServers(), signal)).length > 0) return
    await Promise.all(
      [...Map.groupBy(open, (entry) => entry.source)].map(async ([name, entries]) => {
        const source = o.sources.get(name)
        if (source !== undefined) await alone(name, () => resumeSource(o, inFlight, source, entries, signal))
      }),
    )
  }

  return {
    start({ source: name, named, filter, recheck = true, allowGaps, caller }) {
      const chosen = [...o.sources.values()].filter((source) => name === undefined || source.name === name)
      if (name !== undefined && chosen.length === 0)
        throw new MdmError('MDM_USAGE', 'the site has no source of this name')
      if (named === undefined)
        return mergeFeeds(
          chosen.map((source) => launch({ source, caller, filter, recheck, allowGaps }).follow()),
        )
      const bySource = Map.groupBy(named.found, ({ source }) => source)
      const jobs = chosen.flatMap((source) => {
        const refs = bySource.get(source.name)?.map(({ ref }) => ref)
        return refs === undefined
          ? []
          : [launch({ source, caller, named: refs, recheck: true, allowGaps }).follow()]
      })
      return mergeFeeds([...jobs, unknownSeries(named.unknown)])
    },

    registerOne: (source, ref) =>
      alone(source.name, () => takeSeries(o, inFlight, { source, ref, caller: o.self, signal })),

    resume() {
      loop = (async () => {
        while (!signal.aborted) {
          await takeUp().catch((error: unknown) => {
            if (!signal.aborted) failure(o.log, error)
          })
          await sleep(o.retryMs ?? RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined)
        }
      })()
    },

    async close() {
      stop.abort(new MdmError('MDM_UNREACHABLE', 'the site is stopping'))
      await Promise.allSettled([loop, ...busy.values()])
    },
  }
}

async function resumeSource(
  o: RegistrationOptions,
  inFlight: InFlight,
  source: DicomSource,
  entries: readonly OpenEntry[],
  signal: AbortSignal,
): Promise<void> {
  // The source may have changed since: what is there now is what counts.
  const refs = entries.map(({ ref }) => ref)
  await bringUpToDate(source, refs, signal)
  const faults = containFaults(o.log)
  for (const { ref, caller } of entries) {
    signal.throwIfAborted()
    await faults.contain(() => takeSeries(o, inFlight, { source, ref, caller, signal }))
  }
  faults.throwFirst()
}

/** One series that nobody waits for: what becomes of it is counted and logged. */
async function takeSeries(
  o: RegistrationOptions,
  inFlight: InFlight,
  of: { source: DicomSource; ref: SeriesRef; caller: AuditCaller; signal: AbortSignal },
): Promise<void> {
  for await (const { type } of registerSeries(o, inFlight, of)) {
    if (type !== 'set') o.ended?.(type)
    o.log.info({ event: `registration-${type}` })
  }
}

/** Handles that name no series here: they may be of another site, or of a journal that was lost. */
async function* unknownSeries(handles: NamedSeriesList['unknown']): AsyncGenerator<RegisterEvent> {
  for (const series of handles) yield { type: 'failed', code: 'MDM_NOT_FOUND', series }
  yield { type: 'done', counts: { ...noCounts(), failed: handles.length } }
}

/** The event that ends a job which cannot go on; the log gets the code and where it came from, nothing of the message. */
function failure(log: Log, error: unknown): RegisterEvent {
  const known = error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
  log.error({ event: 'registration-stopped', code: known.code, at: originOf(known) })
  return { type: 'error', code: known.code, message: known.message }
}
