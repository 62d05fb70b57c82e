import type { SeriesRef } from '../../dicom/source.ts'
import type { SiteQueries } from '../../store/site-store.ts'
import type { Hint, Notice, Trigger } from './notices.ts'

/** Rows of one INSERT: no database takes more than some thousand parameters. */
const ROWS_AT_ONCE = 200

/** How a series stood when it was dealt with. */
export interface Counted {
  readonly source: string
  readonly ref: SeriesRef
  readonly objects: number
  readonly mark?: string | undefined
}

/** The notices of the store, the oldest first. */
export async function readNotices(db: SiteQueries): Promise<(Hint & { trigger: Trigger })[]> {
  const rows = await db.selectFrom('notices').selectAll().orderBy('noticed').execute()
  return rows.map(({ source, study, series, noticed_by: trigger }) => ({
    source,
    ref: { study, series },
    trigger: trigger as Trigger,
  }))
}

/** Puts notices down; one that is there stays as it is. */
export async function keepNotices(
  db: SiteQueries,
  notices: readonly Pick<Notice, 'source' | 'ref' | 'trigger'>[],
  now: Date,
): Promise<void> {
  for (let i = 0; i < notices.length; i += ROWS_AT_ONCE) {
    const rows = notices.slice(i, i + ROWS_AT_ONCE).map(({ source, ref, trigger }) => ({
      ...{ source, study: ref.study, series: ref.series },
      ...{ noticed_by: trigger, noticed: now.toISOString() },
    }))
    await db
      .insertInto('notices')
      .values(rows)
      .onConflict((conflict) => conflict.columns(['source', 'study', 'series']).doNothing())
      .execute()
  }
}

export async function dropNotice(
  db: SiteQueries,
  { source, ref }: Pick<Notice, 'source' | 'ref'>,
): Promise<void> {
  await db
    .deleteFrom('notices')
    .where('source', '=', source)
    .where('study', '=', ref.study)
    .where('series', '=', ref.series)
    .execute()
}

/** Keeps how a series stands, for polls to compare with. */
export async function setCount(
  db: SiteQueries,
  { source, ref, objects, mark }: Counted,
  now: Date,
): Promise<void> {
  const stands = { objects, mark: mark ?? null, counted: now.toISOString() }
  await db
    .insertInto('series_counts')
    .values({ source, study: ref.study, series: ref.series, ...stands })
    .onConflict((conflict) => conflict.columns(['source', 'study', 'series']).doUpdateSet(stands))
    .execute()
}
