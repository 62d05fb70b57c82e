import { existsSync } from 'node:fs'
import { Kysely, sql, type Transaction } from 'kysely'
import type { Migration } from 'kysely/migration'
import { MdmError } from '@mdm/core/errors'
import { KEYS_MIGRATIONS, type KeysSchema } from './keys-schema.ts'
import { isPostgresUrl, postgresDialect } from './postgres.ts'
import { SITE_MIGRATIONS } from './site-migrations.ts'
import type { SiteSchema } from './site-schema.ts'
import { sqliteDialect } from './sqlite.ts'

/** Reads the store of a site as it is at one moment, beside a server that runs. @throws as readStore */
export async function readSiteStore<Result>(
  store: string,
  look: (trx: Transaction<SiteSchema>) => Promise<Result>,
): Promise<Result> {
  return await readStore(store, SITE_MIGRATIONS, look)
}

/** The same for the store of a key server. */
export async function readKeysStore<Result>(
  store: string,
  look: (trx: Transaction<KeysSchema>) => Promise<Result>,
): Promise<Result> {
  return await readStore(store, KEYS_MIGRATIONS, look)
}

/**
 * Opens a store so that nothing can be written, and gives one transaction of it: what is seen does not change meanwhile.
 *
 * @param store path of a SQLite file that exists, or the URL of a PostgreSQL database
 * @throws MDM_CONFIG when there is none, or its schema is not the one of this version; MDM_STORE when it cannot be read now
 */
async function readStore<Schema, Result>(
  store: string,
  migrations: Record<string, Migration>,
  look: (trx: Transaction<Schema>) => Promise<Result>,
): Promise<Result> {
  if (!isPostgresUrl(store) && !existsSync(store)) throw new MdmError('MDM_CONFIG', 'there is no store yet')
  const dialect = isPostgresUrl(store)
    ? postgresDialect(store, { readOnly: true })
    : sqliteDialect(store, { readOnly: true })
  const db = new Kysely<Schema>({ dialect })
  try {
    return await db
      .transaction()
      .setIsolationLevel('serializable')
      .execute(async (trx) => {
        await requireSchema(trx, Object.keys(migrations))
        return await look(trx)
      })
  } finally {
    await db.destroy()
  }
}

async function requireSchema<Schema>(db: Transaction<Schema>, wanted: readonly string[]): Promise<void> {
  const rows = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db).then(
    (found) => found.rows,
    (error: unknown) => {
      if (error instanceof MdmError && error.code === 'MDM_STORE') throw error
      throw new MdmError('MDM_CONFIG', 'the store has no schema of MDM', { cause: error })
    },
  )
  const found = rows.map(({ name }) => name)
  if (found.length === wanted.length && found.every((name, i) => name === wanted.toSorted()[i])) return
  throw new MdmError(
    'MDM_CONFIG',
    'the store has the schema of another version: start its server once with this one',
  )
}
