import type { RegisterReport } from '@mdm/core/access/register'
import type { Session } from '@mdm/core/access/session'
import { isErrorCode, MdmError } from '@mdm/core/errors'
import type { ReportedOutcome } from '@mdm/core/register-report'
import type { RegisterQuestion } from '@mdm/core/wire/register'
import { table } from './output.ts'
import { Progress } from './progress.ts'

/** How a registration ended that this client followed. */
export interface RegistrationEnd {
  readonly report: RegisterReport
  /** what became of each volume and series, in the order it was told */
  readonly outcomes: readonly ReportedOutcome[]
  /** what registration waits for, each once */
  readonly waiting: readonly string[]
  /** the site did all, and everything was heard */
  readonly complete: boolean
  /** why it did not */
  readonly error?: unknown
}

/** Asks one question after the other and follows each to its end; what fails is in the result, so that a report can be kept of it. */
export async function runRegistration(
  session: Session,
  questions: readonly RegisterQuestion[],
  signal: AbortSignal,
): Promise<RegistrationEnd> {
  const [{ addEvent, emptyReport, register }, { countOutcomes, outcomeOf }] = await Promise.all([
    import('@mdm/core/access/register'),
    import('@mdm/core/register-report'),
  ])
  const progress = new Progress('registering')
  const report = emptyReport()
  const outcomes: ReportedOutcome[] = []
  const waiting = new Set<string>()
  const end = { report, outcomes, complete: false }
  let [heard, told] = [0, 0]
  try {
    for (const question of questions) {
      let done = false
      for await (const event of register(session, { ...question, signal })) {
        if (event.type === 'progress') progress.count(event.done, event.total)
        if (event.type === 'waiting') waiting.add(event.message)
        if (event.type === 'error')
          throw new MdmError(isErrorCode(event.code) ? event.code : 'MDM_INTERNAL', event.message)
        if (event.type === 'done') {
          done = true
          for (const count of Object.values(event.counts)) told += count
          continue
        }
        addEvent(report, event)
        const outcome = outcomeOf(event)
        if (outcome !== undefined) heard = outcomes.push(outcome)
      }
      if (!done)
        throw new MdmError(
          'MDM_UNREACHABLE',
          'the site stopped before it reported; registration goes on there',
        )
    }
    const counted = Object.values(countOutcomes(outcomes)).reduce((sum, n) => sum + n, 0)
    return { ...end, waiting: [...waiting], complete: heard === told && counted === told }
  } catch (error) {
    return { ...end, waiting: [...waiting], error }
  } finally {
    progress.end()
  }
}

/** The table of what is new, for stdout; empty when nothing is. */
export function registeredTable({ registered }: RegisterReport): string {
  if (registered.length === 0) return ''
  const rows = registered.map((v) => [v.guid, v.modality, v.shape.join(' x '), v.instances, v.lfn])
  return table(['GUID', 'modality', 'shape', 'instances', 'LFN'], rows)
}

/** The table of sets that are new or have a new version, for stdout; empty when none are. */
export function setsTable({ sets }: RegisterReport): string {
  if (sets.length === 0) return ''
  const rows = sets.map((set) => [set.guid, set.version, set.axis, set.volumes])
  return table(['set', 'version', 'axis', 'volumes'], rows)
}

/** What a person is told beside it. */
export function remarks(report: RegisterReport): string[] {
  const { registered, sets, already, returned, gone, refused, failed } = report
  const more = [
    ...(sets.length > 0 ? [`${sets.length} sets`] : []),
    ...(returned.length > 0 ? [`${returned.length} there again`] : []),
    ...(gone.length > 0 ? [`${gone.length} gone from the source`] : []),
    ...(failed.length > 0 ? [`${failed.length} failed`] : []),
  ]
  const counts = [
    `${registered.length} registered`,
    `${already.length} already there`,
    `${refused.length} refused`,
    ...more,
  ]
  return [
    ...refused.map((r) => `refused: ${r.reason} (${r.code}, quarantine ${r.quarantine})`),
    counts.join(', '),
  ]
}

/**
 * Throws what ended a registration early; where it only waits, says so by the exit code, or as an error when there is nothing else to
 * tell.
 */
export function settle({ report, waiting, error }: RegistrationEnd, talk: (line: string) => void): void {
  if (error !== undefined) throw error
  if (waiting.length === 0) return
  const { already: _, ...news } = report
  if (Object.values(news).every((list) => list.length === 0)) throw new MdmError('MDM_WAITING', waiting[0])
  for (const message of waiting) talk(message)
  process.exitCode = new MdmError('MDM_WAITING').exitCode
}
