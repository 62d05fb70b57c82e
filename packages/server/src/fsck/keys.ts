import { createPublicKey, createSecretKey } from 'node:crypto'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { KeyServerId } from '@mdm/core/names'
import { KeysConfig, readConfig } from '../config.ts'
import { readSecretFile } from '../secret-file.ts'
import { storeLocation } from '../store/open-store.ts'
import { readKeysStore } from '../store/read-store.ts'
import { openRosters } from '../store/rosters.ts'
import { checkAudit } from './audit.ts'
import { collect, type Report } from './findings.ts'
import { folder } from './site.ts'
import { checkStoredChains } from './stored-chains.ts'
import { checkStoredShares } from './stored-shares.ts'

/**
 * Looks at everything a key server keeps and changes nothing. The server may run. No share leaves the process.
 *
 * @param file keys.json
 * @throws MDM_CONFIG when the configuration or what it names cannot be read; MDM_STORE
 */
export async function checkKeys(file: string): Promise<Report> {
  const { config, path } = await readConfig(file, KeysConfig)
  const rosters = await openRosters(await folder(path(config.rosters)))
  const storeKey = createSecretKey(await readSecretFile(path(config.storeKey), 32))
  const identity = createPublicKey(await readSecretFile(path(config.identity)))
  const id = KeyServerId.parse(spkiDigest(identity))
  const to = collect()
  await readKeysStore(storeLocation(config.store, path), async (db) => {
    await checkStoredShares(db, { rosters, storeKey, id }, to)
    await checkStoredChains(db, rosters, to)
  })
  await checkAudit(path(config.audit), to)
  return to.report()
}
