import type { Kysely, Transaction } from 'kysely'
import { openStore, type StoreOptions } from './open-store.ts'
import { SITE_MIGRATIONS } from './site-migrations.ts'
import type { SiteSchema } from './site-schema.ts'

/** The site's database. */
export type SiteStore = Kysely<SiteSchema>
/** The database, or a transaction on it. */
export type SiteQueries = SiteStore | Transaction<SiteSchema>

/**
 * Opens the site's database and brings it to the newest schema.
 *
 * @param store path or URL, as openStore
 * @throws MDM_CONFIG, MDM_CONFLICT, MDM_STORE as openStore
 */
export async function openSiteStore(store: string, o: StoreOptions = {}): Promise<SiteStore> {
  return await openStore<SiteSchema>(store, SITE_MIGRATIONS, o)
}

/** The next value of a counter, from 1; two transactions never get the same. */
export async function nextValue(db: SiteQueries, name: string): Promise<number> {
  const { value } = await db
    .insertInto('counters')
    .values({ name, value: 1 })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((eb) => ({ value: eb('counters.value', '+', 1) })),
    )
    .returning('value')
    .executeTakeFirstOrThrow()
  return Number(value)
}
