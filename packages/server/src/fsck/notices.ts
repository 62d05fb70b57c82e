import type { SiteQueries } from '../store/site-store.ts'
import type { Collector } from './findings.ts'

/** A series that is noticed for so long is not waiting for its slices any more, ms. */
const STALE_MS = 24 * 3_600_000

/** What was noticed and not registered for long, and what nothing will register. */
export async function checkNotices(
  db: SiteQueries,
  o: { sources: readonly string[]; now: Date },
  to: Collector,
): Promise<void> {
  const before = new Date(o.now.getTime() - STALE_MS).toISOString()
  const rows = await db.selectFrom('notices').select(['source', 'noticed']).execute()
  const unknown = rows.filter(({ source }) => !o.sources.includes(source)).length
  const stale = rows.filter(({ source, noticed }) => o.sources.includes(source) && noticed < before).length
  if (stale > 0) to.find('notice-open', `${stale} series`)
  if (unknown > 0) to.find('notice-unknown-source', `${unknown} series`)
}
