import type { RegisterReport } from '@mdm/core/access/register'
import type { Session } from '@mdm/core/access/session'
import { failuresOf, type Failures } from './failures.ts'
import { runRegistration, type RegistrationEnd } from './registration-run.ts'

/** What came of deciding on rows, and then of their series. */
export interface Decided {
  /** ids of the rows */
  readonly done: readonly string[]
  readonly failures: Failures
  readonly end: RegistrationEnd
}

/** Decides on one row after the other, then follows the site as it registers their series as they now count. */
export async function decide(
  session: Session,
  ids: readonly string[],
  decision: (id: string) => Promise<void>,
  signal: AbortSignal,
): Promise<Decided> {
  const { NAMED_AT_ONCE } = await import('@mdm/core/wire/register')
  const { done, failures } = await failuresOf(
    ids,
    (id) => id,
    async (id) => {
      await decision(id)
      return id
    },
    signal,
  )
  const questions = Array.from({ length: Math.ceil(done.length / NAMED_AT_ONCE) }, (_, i) => ({
    quarantine: done.slice(i * NAMED_AT_ONCE, (i + 1) * NAMED_AT_ONCE),
  }))
  return { done, failures, end: await runRegistration(session, questions, signal) }
}

/** What a command that decides on rows answers under --json. */
export function decidedReport<Name extends string>(name: Name, { done, failures, end }: Decided) {
  const errors = failures.listed.length > 0 ? { errors: failures.listed } : {}
  return { [name]: done, ...end.report, ...errors } as { [K in Name]: string[] } & RegisterReport
}
