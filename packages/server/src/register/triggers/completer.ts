import { ERRORS, MdmError, type ErrorCode } from '@mdm/core/errors'
import type { DicomSource, SeriesRef } from '../../dicom/source.ts'
import type { Log } from '../../http/log.ts'
import { originOf } from '../../http/problem.ts'
import { pause } from './look-loop.ts'
import type { Notice, Notices } from './notices.ts'

/** How often notices are looked through, ms. */
const TICK_MS = 250
/** Part of the quiet period after which a series is counted for the first time, and the longest it may be, ms. */
const SETTLE = 0.1
const MAX_SETTLE_MS = 1_000
/** A series of which the source shows nothing is given so many quiet periods to come. */
const CONFIRM_PERIODS = 6
/** A series that failed is tried again after so long, ms; doubled each time, up to the second. */
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 300_000
/** What keeps every series from being registered is looked for more often, so that they go on soon after it has passed. */
const LAST_PAUSE_MS = 15_000
/** Series taken up in one go, before new ones are counted. */
const AT_ONCE = 16

/** Faults of everything, not of one series. */
const OF_ALL = new Set<ErrorCode>(['MDM_SOURCE_UNREACHABLE', 'MDM_STORE', 'MDM_AUDIT'])

export interface CompleterOptions {
  readonly notices: Notices
  readonly source: DicomSource
  readonly quietMs: number
  /** registers what is at the source now; resolves when the outcome is durable */
  readonly register: (ref: SeriesRef, signal: AbortSignal) => Promise<void>
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Registers the noticed series of one source: each when nothing pointed at it for the quiet period and the source counted the
 * same over that time. What comes meanwhile keeps the notice, so a late slice makes a new version.
 *
 * @returns when it was stopped
 */
export async function completeSeries(o: CompleterOptions): Promise<void> {
  const { signal } = o
  const failures = new WeakMap<Notice, { times: number; until: number }>()
  let failed = 0
  while (!signal.aborted) {
    const work = nextWork(o, failures)
    if (work.length === 0) await pause(Math.min(TICK_MS, o.quietMs / 4), signal)
    for (const notice of work) {
      if (signal.aborted) return
      try {
        await (notice.counted === undefined ? count(o, notice) : complete(o, notice))
        failures.delete(notice)
        failed = 0
      } catch (error) {
        if (signal.aborted) return
        const code = error instanceof MdmError ? error.code : 'MDM_INTERNAL'
        const times = failures.get(notice)?.times ?? 0
        const isOfAll = OF_ALL.has(code)
        const rest = retryMs(times, isOfAll ? LAST_PAUSE_MS : LAST_RETRY_MS)
        failures.set(notice, { times: times + 1, until: performance.now() + rest })
        const line = { event: 'notice-kept', code, at: originOf(error) }
        if (ERRORS[code].retry) o.log.warn(line)
        else o.log.error(line)
        if (!isOfAll) continue
        await pause(retryMs(failed++, LAST_PAUSE_MS), signal)
        break
      }
    }
  }
}

/** What can be done now: first series that were never counted since they were touched, then those that stood still. */
function nextWork(
  { notices, source, quietMs }: CompleterOptions,
  failures: WeakMap<Notice, { until: number }>,
): Notice[] {
  const now = performance.now()
  const settleMs = Math.min(MAX_SETTLE_MS, SETTLE * quietMs)
  const uncounted: Notice[] = []
  const pushed: Notice[] = []
  const polled: Notice[] = []
  for (const notice of notices.of(source.name)) {
    if (now < (failures.get(notice)?.until ?? 0)) continue
    const { counted, touchedAt, trigger } = notice
    if (counted === undefined) {
      if (now - touchedAt >= settleMs) uncounted.push(notice)
      continue
    }
    const confirmed = counted.objects > 0 || now - touchedAt >= CONFIRM_PERIODS * quietMs
    const still = now - touchedAt >= quietMs && now - counted.since >= quietMs - settleMs
    // An archive that is taken up as a whole does not hold up what comes now.
    if (still && confirmed) (trigger === 'poll' ? polled : pushed).push(notice)
  }
  return uncounted.length > 0 ? uncounted : [...pushed, ...polled].slice(0, AT_ONCE)
}

async function count({ source, signal }: CompleterOptions, notice: Notice): Promise<void> {
  const { touches } = notice
  const objects = await source.count(notice.ref, signal)
  if (notice.touches === touches) notice.counted = { objects, since: performance.now() }
}

async function complete(o: CompleterOptions, notice: Notice): Promise<void> {
  const { touches, counted } = notice
  const before = await o.source.count(notice.ref, o.signal)
  if (notice.touches !== touches) return
  if (before !== counted?.objects) return stand(notice, before)
  await o.register(notice.ref, o.signal)
  const after = await o.source.count(notice.ref, o.signal)
  if (after === before) await o.notices.settle(notice, touches, before)
  else if (notice.touches === touches) stand(notice, after)
}

/** From now on the source counts something else. */
function stand(notice: Notice, objects: number): void {
  notice.counted = { objects, since: performance.now() }
}

function retryMs(times: number, last: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** times, last)
}
