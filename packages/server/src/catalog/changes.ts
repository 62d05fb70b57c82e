import type { Caller } from '@mdm/core/identity/identify'
import type { Guid, Lfn, Version } from '@mdm/core/names'
import type { ChangeKind } from '@mdm/core/wire/changes'
import { nextValue, type SiteQueries, type SiteStore } from '../store/site-store.ts'
import type { Access } from './access.ts'

/** What happened to one volume. */
export interface Change {
  /** place among all changes: larger is later */
  readonly seq: number
  readonly time: string
  readonly change: ChangeKind
  readonly guid: Guid
  readonly version: Version
}

/** A change as one caller may know of it. */
export interface ListedChange extends Change {
  readonly lfn: Lfn
  /** whether he may list this very version */
  readonly listed: boolean
}

/** Changes looked at in one go: most of them may be hidden from the caller. */
const PAGE = 1000

/** Writes a change down, in the transaction that makes it. @returns its place */
export async function putChange(db: SiteQueries, change: Omit<Change, 'seq'>): Promise<number> {
  const seq = await nextValue(db, 'changes')
  await db
    .insertInto('changes')
    .values({ seq, ...change })
    .execute()
  return seq
}

/**
 * Changes of the volumes that the caller may list in some version, oldest first; of all others nothing is said.
 *
 * @param of  `after` is the place of a change, 0 for the beginning; `from` an ISO time
 * @returns one more than `limit` where there is one, so that the end is known
 */
export async function listedChanges(
  o: { readonly db: SiteStore; readonly access: Pick<Access, 'listed' | 'holds'> },
  caller: Caller,
  of: { after: number; from?: string | undefined; limit: number },
): Promise<ListedChange[]> {
  const found: ListedChange[] = []
  for (let after = of.after; ;) {
    const page = await pageOf(o.db, after, of.from)
    for (const { latest, lfn, ...change } of page) {
      const { guid, version } = change
      if ((await o.access.listed(caller, { guid, latest })) === undefined) continue
      const listed = await o.access.holds(caller, { guid, version }, 'file', 'list')
      if (found.push({ ...change, lfn, listed }) > of.limit) return found
    }
    if (page.length < PAGE) return found
    after = page.at(-1)!.seq
  }
}

async function pageOf(
  db: SiteStore,
  after: number,
  from: string | undefined,
): Promise<(Change & { latest: Version; lfn: Lfn })[]> {
  let query = db
    .selectFrom('changes')
    .innerJoin('volumes', 'volumes.guid', 'changes.guid')
    .select(['changes.seq', 'changes.time', 'changes.change', 'changes.guid', 'changes.version'])
    .select(['volumes.latest', 'volumes.lfn'])
    .where('changes.seq', '>', after)
  if (from !== undefined) query = query.where('changes.time', '>=', from)
  const rows = await query.orderBy('changes.seq').limit(PAGE).execute()
  // PostgreSQL gives long integers as text.
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }))
}
