import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS, MdmError } from '@mdm/core/errors'
import type { RegisterEvent } from '@mdm/core/wire/site'
import type { AuditCaller } from '../audit/audit.ts'
import type { DicomSource, SeriesRef } from '../dicom/source.ts'
import type { Log } from '../http/log.ts'
import { originOf } from '../http/problem.ts'
import { inTransaction } from '../store/transaction.ts'
import { createFeed, type Feed } from './feed.ts'
import { refusalDigest } from './fingerprints.ts'
import type { OpenEntry } from './journal.ts'
import { notReady } from './key-servers.ts'
import { flushOutbox } from './outbox.ts'
import { quarantine } from './quarantine.ts'
import { hasFound, isRecalling, recall } from './recall.ts'
import { dropUnfinished } from './recovery.ts'
import { registerSeries, type InFlight, type Outcome, type RegisterOptions } from './register-series.ts'
import { addOutcome, emptyReport, mergeFeeds } from './report.ts'

/** How often what waits is tried again, ms. */
const RETRY_MS = 3_000

export interface RegistrationOptions extends RegisterOptions {
  /** by name */
  readonly sources: ReadonlyMap<string, DicomSource>
  readonly log: Log
  /** in whose name a site registers what nobody asked for: its own */
  readonly self: AuditCaller
  /** 3,000 unless told */
  readonly retryMs?: number
  /** told what became of each volume */
  readonly ended?: (outcome: Outcome['type']) => void
}

/** Registration as jobs: one at a time per source, independent of who asked for it. */
export interface Registration {
  /**
   * Starts registering a source, or all; joins the job that already runs.
   *
   * @returns its events from the first one on; the last is `done` or `error`
   * @throws MDM_USAGE when the site has no such source
   */
  start(o: { source?: string | undefined; caller: AuditCaller }): AsyncGenerator<RegisterEvent, void>
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

  const launch = (source: DicomSource, caller: AuditCaller): Feed<RegisterEvent> => {
    const joined = running.get(source.name)
    if (joined !== undefined) return joined
    const feed = createFeed<RegisterEvent>()
    running.set(source.name, feed)
    void alone(source.name, async () => {
      try {
        await registerSource(o, inFlight, { source, caller, signal, feed })
      } catch (error) {
        feed.push(failure(o.log, error))
      } finally {
        running.delete(source.name)
        feed.end()
      }
    })
    return feed
  }

  let looked = false
  /** A site that was put back finds by itself what was registered since. */
  const lookAgain = async (): Promise<void> => {
    if (looked || !(await hasFound(o.db))) return
    looked = true
    for (const source of o.sources.values()) launch(source, o.self)
  }

  const takeUp = async (): Promise<void> => {
    if ((await isRecalling(o.db)) && !(await recall(o, signal))) return
    await lookAgain()
    await flushOutbox(o.db, o.audit)
    await dropUnfinished({ db: o.db, journal: o.journal, keyServers: o.keyServers(), inFlight, signal })
    const open = (await o.journal.open()).filter((entry) => !busy.has(entry.source))
    if (open.length === 0 || (await notReady(o.keyServers(), signal)).length > 0) return
    await Promise.all(
      [...Map.groupBy(open, (entry) => entry.source)].map(async ([name, entries]) => {
        const source = o.sources.get(name)
        if (source !== undefined) await alone(name, () => resumeSource(o, inFlight, source, entries, signal))
      }),
    )
  }

  return {
    start({ source: name, caller }) {
      const chosen = [...o.sources.values()].filter((source) => name === undefined || source.name === name)
      if (name !== undefined && chosen.length === 0)
        throw new MdmError('MDM_USAGE', 'the site has no source of this name')
      return mergeFeeds(chosen.map((source) => launch(source, caller).follow()))
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

interface SourceJob {
  readonly source: DicomSource
  readonly caller: AuditCaller
  readonly signal: AbortSignal
  readonly feed: Feed<RegisterEvent>
}

async function registerSource(o: RegistrationOptions, inFlight: InFlight, job: SourceJob): Promise<void> {
  const { source, caller, signal, feed } = job
  const series = await source.series({ signal })
  const report = emptyReport()
  const faults = containFaults()
  const tell = (outcome: Outcome) => {
    o.ended?.(outcome.type)
    addOutcome(report, outcome)
    const { type } = outcome
    feed.push(type === 'waiting' ? { type, code: 'MDM_WAITING', message: outcome.message } : outcome)
  }
  for (const outcome of await sourceFaults(o, source, caller)) tell(outcome)
  for (const [done, ref] of series.entries()) {
    feed.push({ type: 'progress', done, total: series.length })
    signal.throwIfAborted()
    await faults.contain(async () => {
      for await (const outcome of registerSeries(o, inFlight, { source, ref, caller, signal })) tell(outcome)
    })
  }
  feed.push({ type: 'progress', done: series.length, total: series.length })
  faults.throwFirst()
  feed.push({ type: 'done', report })
}

async function resumeSource(
  o: RegistrationOptions,
  inFlight: InFlight,
  source: DicomSource,
  entries: readonly OpenEntry[],
  signal: AbortSignal,
): Promise<void> {
  // The source may have changed since: what is there now is what counts.
  await source.series({ signal })
  const faults = containFaults()
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
    o.ended?.(type)
    o.log.info({ event: `registration-${type}` })
  }
}

/** One series that cannot be handled must not keep the others out; its fault is told when all are done. */
function containFaults() {
  const faults: unknown[] = []
  return {
    async contain(work: () => Promise<void>): Promise<void> {
      try {
        await work()
      } catch (error) {
        // What is wrong with the source or the audit log is wrong for every series.
        if (error instanceof MdmError && ERRORS[error.code].retry) throw error
        faults.push(error)
      }
    },
    throwFirst(): void {
      if (faults.length > 0) throw faults[0]
    },
  }
}

/** Objects too damaged to belong to a series are refused as well. */
async function sourceFaults(
  o: RegistrationOptions,
  source: DicomSource,
  caller: AuditCaller,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const series: SeriesRef = { study: '', series: '' }
  for (const { code, objects } of source.faults()) {
    const reason = `${objects} objects belong to no series because they cannot be read`
    const digest = refusalDigest(o.pseudonymKey, { source: source.name, series, code, reason, sops: [] })
    const of = { source: source.name, series, digest, caller, now: o.now() }
    const refusal = { code, reason, instances: objects }
    const refused = await inTransaction(o.db, (trx) => quarantine(trx, refusal, of))
    outcomes.push({ type: 'refused', refused })
  }
  if (outcomes.length > 0) await flushOutbox(o.db, o.audit)
  return outcomes
}

/** The event that ends a job which cannot go on; the log gets the code and where it came from, nothing of the message. */
function failure(log: Log, error: unknown): RegisterEvent {
  const known = error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
  log.error({ event: 'registration-stopped', code: known.code, at: originOf(known) })
  return { type: 'error', code: known.code, message: known.message }
}
