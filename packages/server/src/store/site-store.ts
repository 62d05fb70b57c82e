import { Kysely, type Transaction } from 'kysely'
import { migrate } from './migrate.ts'
import { SITE_MIGRATIONS } from './site-migrations.ts'
import type { SiteSchema } from './site-schema.ts'
import { sqliteDialect } from './sqlite.ts'

/** The site's database. */
export type SiteStore = Kysely<SiteSchema>
/** The database, or a transaction on it. */
export type SiteQueries = SiteStore | Transaction<SiteSchema>

/**
 * Opens the site's database and brings it to the newest schema.
 *
 * @param file path, made with mode 0600 when absent
 * @throws MDM_CONFIG
 */
export async function openSiteStore(file: string): Promise<SiteStore> {
  const db = new Kysely<SiteSchema>({ dialect: sqliteDialect(file) })
  try {
    await migrate(db, SITE_MIGRATIONS)
    return db
  } catch (error) {
    await db.destroy()
    throw error
  }
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
