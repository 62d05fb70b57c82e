import { Kysely } from 'kysely'
import { KEYS_MIGRATIONS, type KeysSchema } from './keys-schema.ts'
import { migrate } from './migrate.ts'
import { sqliteDialect } from './sqlite.ts'

/**
 * Opens the store of a key server and brings it to the newest schema.
 *
 * @throws MDM_CONFIG when it cannot be opened or was written by a newer MDM
 */
export async function openKeysStore(file: string): Promise<Kysely<KeysSchema>> {
  const db = new Kysely<KeysSchema>({ dialect: sqliteDialect(file) })
  try {
    await migrate(db, KEYS_MIGRATIONS)
    return db
  } catch (error) {
    await db.destroy()
    throw error
  }
}
