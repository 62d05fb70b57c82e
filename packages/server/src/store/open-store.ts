import { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import { appliedMigrations, migrate } from './migrate.ts'
import { isPostgresUrl, postgresDialect, type PostgresOptions } from './postgres.ts'
import { sqliteDialect } from './sqlite.ts'

export interface StoreOptions extends PostgresOptions {
  /** told of the migrations that an older store needed */
  readonly upgraded?: ((names: readonly string[]) => void) | undefined
}

/**
 * Opens a store and brings it to the newest schema.
 *
 * @param migrations none to leave the schema as it is, beside a server that runs
 * @param store path of a SQLite file, made with mode 0600 when absent, or the URL of a PostgreSQL database of its own
 * @throws MDM_CONFIG when it cannot be opened or was written by a newer MDM
 * @throws MDM_CONFLICT when `alone` is asked and another process uses it; MDM_STORE when PostgreSQL does not answer
 */
export async function openStore<Schema>(
  store: string,
  migrations: Record<string, Migration> | undefined,
  o: StoreOptions,
): Promise<Kysely<Schema>> {
  const dialect = isPostgresUrl(store)
    ? postgresDialect(store, o)
    : sqliteDialect(store, { alone: o.alone !== undefined })
  const db = new Kysely<Schema>({ dialect })
  try {
    if (migrations === undefined) return db
    const isNew = (await appliedMigrations(db)) === undefined
    const ran = await migrate(db, migrations)
    if (!isNew && ran.length > 0) o.upgraded?.(ran)
    return db
  } catch (error) {
    await db.destroy()
    throw error
  }
}

/** The field `store` of a configuration: a URL stays, a path becomes absolute by `path`. */
export function storeLocation(store: string, path: (relative: string) => string): string {
  return isPostgresUrl(store) ? store : path(store)
}
