import { MdmError } from '@mdm/core/errors'
import { reportOf, type ErrorNote } from './report-error.ts'

/** One thing that failed among several; an entry of `errors` under --json. */
export interface Failure extends ErrorNote {
  readonly name: string
}

/** What failed, and what that means for the exit code. */
export interface Failures {
  readonly listed: Failure[]
  /** All failed with one code: that error. Some failed: exit code 10. None: nothing. */
  throwOrSetExitCode(): void
}

/** Does one thing after another and goes on when one fails, as bulk commands do. Results keep the order of the input. */
export async function failuresOf<T, R>(
  things: readonly T[],
  nameOf: (thing: T) => string,
  work: (thing: T) => Promise<R>,
  signal: AbortSignal,
): Promise<{ done: R[]; failures: Failures }> {
  const done: R[] = []
  const thrown: { name: string; error: unknown }[] = []
  for (const thing of things) {
    try {
      done.push(await work(thing))
    } catch (error) {
      signal.throwIfAborted()
      if (things.length === 1) throw error
      thrown.push({ name: nameOf(thing), error })
    }
  }
  return { done, failures: summary(things.length, thrown) }
}

function summary(count: number, thrown: readonly { name: string; error: unknown }[]): Failures {
  const listed = thrown.flatMap(({ name, error }) => {
    const { note } = reportOf(error)
    return note === undefined ? [] : [{ name, ...note }]
  })
  return {
    listed,
    throwOrSetExitCode() {
      const codes = new Set(listed.map((f) => f.code))
      if (thrown.length === count && codes.size === 1) throw thrown[0]!.error
      if (thrown.length > 0) process.exitCode = new MdmError('MDM_PARTIAL').exitCode
    },
  }
}
