import { sql, type Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { MdmError } from '@mdm/core/errors'

/**
 * Brings a store to the newest schema; what ran already is not run again.
 *
 * @param migrations by name, run in order of name: '001-first', '002-…'; a published one never changes
 * @returns names of those that ran now
 * @throws MDM_CONFIG when the store was written by a newer MDM or a migration fails
 */
export async function migrate<Schema>(
  db: Kysely<Schema>,
  migrations: Record<string, Migration>,
): Promise<string[]> {
  const newer = (await appliedMigrations(db))?.find((name) => migrations[name] === undefined)
  if (newer !== undefined) {
    const what = `the store was written by a newer MDM: its schema is at "${newer}"`
    throw new MdmError('MDM_CONFIG', `${what}. Install that version, or restore a backup made by this one`)
  }
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error, results = [] } = await migrator.migrateToLatest()
  if (error === undefined) return results.map(({ migrationName }) => migrationName)
  if (error instanceof MdmError) throw error
  throw new MdmError('MDM_CONFIG', 'the store does not have a schema this version knows', { cause: error })
}

/** Names of the migrations that a store has had, in order; undefined when it is new. */
export async function appliedMigrations<Schema>(db: Kysely<Schema>): Promise<string[] | undefined> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(({ name }) => name === 'kysely_migration')) return undefined
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db)
  return rows.map(({ name }) => name)
}
