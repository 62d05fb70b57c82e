import type { Sha256 } from '@mdm/core/names'
import type { SiteQueries } from '../../store/site-store.ts'

/** A look at a source that ended well. */
export interface Look {
  readonly source: string
  readonly by: 'poll' | 'changes'
  readonly at: Date
  /** how far a numbered list of changes was read, and whose list it is */
  readonly position?: number
  readonly list?: Sha256
}

export async function saveLook(db: SiteQueries, { source, by, at, position, list }: Look): Promise<void> {
  const values = { looked: at.toISOString(), position: position ?? null, list: list ?? null }
  await db
    .insertInto('source_looks')
    .values({ source, looked_by: by, ...values })
    .onConflict((conflict) => conflict.columns(['source', 'looked_by']).doUpdateSet(values))
    .execute()
}

/** The last look of a trigger at a source; undefined when there was none. */
export async function lastLook(
  db: SiteQueries,
  source: string,
  by: Look['by'],
): Promise<Omit<Look, 'source' | 'by'> | undefined> {
  const row = await db
    .selectFrom('source_looks')
    .select(['looked', 'position', 'list'])
    .where('source', '=', source)
    .where('looked_by', '=', by)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const { looked, position, list } = row
  return {
    at: new Date(looked),
    ...(position === null ? {} : { position: Number(position) }),
    ...(list === null ? {} : { list }),
  }
}
