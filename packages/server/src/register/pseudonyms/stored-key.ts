import type { PseudonymKeyTable } from '../../store/registration-schema.ts'
import type { SiteQueries } from '../../store/site-store.ts'
import { GENERATION } from './derive.ts'

/** Which key is in use, and how it is split: what the site knows of it without its key servers. */
export type StoredKey = Omit<PseudonymKeyTable, 'generation'>

/** @returns undefined where this site has none yet */
export async function storedKey(db: SiteQueries): Promise<StoredKey | undefined> {
  return await db
    .selectFrom('pseudonym_key')
    .select(['guid', 'kid', 'epoch', 'manifest', 'since'])
    .where('generation', '=', GENERATION)
    .executeTakeFirst()
}

/** From here on this key makes pseudonyms; a second one is refused by the database. */
export async function storeKey(db: SiteQueries, key: StoredKey): Promise<void> {
  await db
    .insertInto('pseudonym_key')
    .values({ generation: GENERATION, ...key })
    .execute()
}

/** The same key, split again. */
export async function storeSplit(
  db: SiteQueries,
  { kid, epoch, manifest }: Pick<StoredKey, 'kid' | 'epoch' | 'manifest'>,
): Promise<void> {
  await db
    .updateTable('pseudonym_key')
    .set({ epoch, manifest })
    .where('generation', '=', GENERATION)
    .where('kid', '=', kid)
    .execute()
}

/** True while a row has a pseudonym of another generation. */
export async function hasOlder(db: SiteQueries): Promise<boolean> {
  const row = await db
    .selectFrom('patient')
    .select('guid')
    .where('patient_id', 'like', 'p0%')
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
