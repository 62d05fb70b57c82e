import type { RegisterEvent, RegisterReport } from '@mdm/core/wire/site'
import { createFeed } from './feed.ts'
import type { Outcome } from './register-series.ts'

export function emptyReport(): RegisterReport {
  return { registered: [], already: [], refused: [] }
}

/** What waits stands in no list: it is not done yet. */
export function addOutcome(report: RegisterReport, outcome: Outcome): void {
  if (outcome.type === 'registered') report.registered.push(outcome.volume)
  else if (outcome.type === 'already') report.already.push({ guid: outcome.guid })
  else if (outcome.type === 'refused') report.refused.push(outcome.refused)
}

/**
 * The jobs of several sources as one: progress and reports are added up. It ends with `done`, or with the first error once
 * every job has ended.
 */
export async function* mergeFeeds(
  jobs: readonly AsyncIterable<RegisterEvent>[],
): AsyncGenerator<RegisterEvent, void> {
  const merged = createFeed<RegisterEvent>()
  const progress = jobs.map(() => ({ done: 0, total: 0 }))
  const reports: RegisterReport[] = jobs.map(emptyReport)
  const errors: RegisterEvent[] = []
  const follow = async (job: AsyncIterable<RegisterEvent>, i: number): Promise<void> => {
    for await (const event of job) {
      if (event.type === 'done') reports[i] = event.report
      else if (event.type === 'error') errors.push(event)
      else if (event.type !== 'progress') merged.push(event)
      else {
        progress[i] = event
        merged.push({ type: 'progress', done: sum(progress, 'done'), total: sum(progress, 'total') })
      }
    }
  }
  void Promise.all(jobs.map(follow)).then(() => {
    const report = {
      registered: reports.flatMap((r) => r.registered),
      already: reports.flatMap((r) => r.already),
      refused: reports.flatMap((r) => r.refused),
    }
    merged.push(errors[0] ?? { type: 'done', report })
    merged.end()
  })
  yield* merged.follow()
}

function sum(rows: readonly { done: number; total: number }[], name: 'done' | 'total'): number {
  return rows.reduce((total, row) => total + row[name], 0)
}
