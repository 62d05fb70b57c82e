import { noCounts, type RegisterCounts, type RegisterEvent } from '@mdm/core/wire/register'
import { createFeed } from './feed.ts'

/**
 * The jobs of several sources as one: progress and counts are added up. It ends with `done`, or with the first error once
 * every job has ended.
 */
export async function* mergeFeeds(
  jobs: readonly AsyncIterable<RegisterEvent>[],
): AsyncGenerator<RegisterEvent, void> {
  const merged = createFeed<RegisterEvent>()
  const progress = jobs.map(() => ({ done: 0, total: 0 }))
  const counts = jobs.map(noCounts)
  const errors: RegisterEvent[] = []
  const follow = async (job: AsyncIterable<RegisterEvent>, i: number): Promise<void> => {
    for await (const event of job) {
      if (event.type === 'done') counts[i] = event.counts
      else if (event.type === 'error') errors.push(event)
      else if (event.type !== 'progress') merged.push(event)
      else {
        progress[i] = event
        merged.push({ type: 'progress', done: sum(progress, 'done'), total: sum(progress, 'total') })
      }
    }
  }
  void Promise.all(jobs.map(follow)).then(() => {
    const all = noCounts()
    for (const name of Object.keys(all) as (keyof RegisterCounts)[]) all[name] = sum(counts, name)
    merged.push(errors[0] ?? { type: 'done', counts: all })
    merged.end()
  })
  yield* merged.follow()
}

function sum<Name extends string>(rows: readonly Record<Name, number>[], name: Name): number {
  return rows.reduce((total, row) => total + row[name], 0)
}
