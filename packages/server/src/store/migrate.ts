import type { Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { MdmError } from '@mdm/core/errors'

/**
 * Brings a store to the newest schema; what ran already is not run again.
 *
 * @param migrations by name, run in order of name: '001-first', '002-…'; a published one never changes
 * @throws MDM_CONFIG when the store was written by a newer MDM or a migration fails
 */
export async function migrate<Schema>(
  db: Kysely<Schema>,
  migrations: Record<string, Migration>,
): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (error === undefined) return
  if (error instanceof MdmError) throw error
  throw new MdmError('MDM_CONFIG', 'the store does not have a schema this version knows', { cause: error })
}
