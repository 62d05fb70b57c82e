import { access, constants } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { DatabaseSync } from 'node:sqlite'
import { Kysely, sql } from 'kysely'
import { MdmError } from '@mdm/core/errors'
import { appliedMigrations } from './migrate.ts'
import { isPostgresUrl, postgresDialect } from './postgres.ts'

/** What a store is like, seen without changing anything of it. */
export interface StoreState {
  /** names of the migrations it has had, in order; undefined when there is no store yet */
  readonly applied: readonly string[] | undefined
  readonly isWritable: boolean
}

/**
 * Looks at a store, whether its server runs or not. Nothing is locked, migrated or written.
 *
 * @param store path of a SQLite file or URL of a PostgreSQL database
 * @throws MDM_CONFIG when it cannot be opened; MDM_STORE when PostgreSQL does not answer
 */
export async function inspectStore(store: string): Promise<StoreState> {
  return isPostgresUrl(store) ? await inspectPostgres(store) : await inspectSqlite(store)
}

async function inspectSqlite(file: string): Promise<StoreState> {
  const isThere = existsSync(file)
  const isWritable = await access(isThere ? file : dirname(file), constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!isThere) return { applied: undefined, isWritable }
  // Without a write-ahead log nobody has it open: opened as immutable, SQLite makes no file beside it.
  const url = pathToFileURL(file)
  if (!existsSync(`${file}-wal`)) url.searchParams.set('immutable', '1')
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(url, { readOnly: true, timeout: 5_000 })
    const named = database.prepare("select name from sqlite_master where type = 'table'").all()
    const hasSchema = named.some(({ name }) => name === 'kysely_migration')
    if (!hasSchema) return { applied: undefined, isWritable }
    const rows = database.prepare('select name from kysely_migration order by name').all()
    return { applied: rows.map(({ name }) => String(name)), isWritable }
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the store cannot be opened', { cause })
  } finally {
    database?.close()
  }
}

async function inspectPostgres(url: string): Promise<StoreState> {
  const db = new Kysely<unknown>({ dialect: postgresDialect(url) })
  try {
    const { rows } = await sql<{ writable: boolean }>`
      select not pg_is_in_recovery() and has_schema_privilege(current_schema(), 'create') as writable
    `.execute(db)
    return { applied: await appliedMigrations(db), isWritable: rows[0]?.writable === true }
  } finally {
    await db.destroy()
  }
}
