import type { Kysely } from 'kysely'
import { KEYS_MIGRATIONS, type KeysSchema } from './keys-schema.ts'
import { openStore, type StoreOptions } from './open-store.ts'

/**
 * Opens the store of a key server and brings it to the newest schema.
 *
 * @param store path or URL, as openStore
 * @throws MDM_CONFIG, MDM_CONFLICT, MDM_STORE as openStore
 */
export async function openKeysStore(store: string, o: StoreOptions = {}): Promise<Kysely<KeysSchema>> {
  return await openStore<KeysSchema>(store, KEYS_MIGRATIONS, o)
}
