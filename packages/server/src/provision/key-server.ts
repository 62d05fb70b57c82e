import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { createServiceCertificate } from '@mdm/core/identity/ca'
import { vouchTls, type Roster } from '@mdm/core/identity/roster'
import { KeyServerId } from '@mdm/core/names'
import type { KeysConfig } from '../config.ts'
import { newFolder } from './folder.ts'

/** How long a service certificate lasts; peers pin its key, not its time. */
export const SERVICE_DAYS = 3650

export interface ProvisionedKeyServer {
  readonly dir: string
  /** path of keys.json */
  readonly config: string
  /** what the roster of a site says about this server */
  readonly entry: Roster['keyServers'][number]
}

/**
 * Makes the folder of one key server: its long-lived identity key, a TLS key that it vouches for, the key of its store, and a
 * configuration that trusts nobody yet.
 *
 * @param o `host` and `port` to listen on
 * @throws MDM_CONFLICT when the folder is not empty
 */
export async function provisionKeyServer(
  dir: string,
  o: { host: string; port: number },
): Promise<ProvisionedKeyServer> {
  const folder = await newFolder(dir)
  const identity = generateKeyPairSync('ed25519')
  const id = KeyServerId.parse(spkiDigest(identity.publicKey))
  const tls = await createServiceCertificate({
    commonName: `MDM key server ${id.slice(0, 12)}`,
    hosts: [o.host],
    days: SERVICE_DAYS,
  })
  await folder.write('identity.key', identity.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await folder.write('tls.pem', tls.certificate)
  await folder.write('tls.key', tls.key)
  await folder.write('store.key', randomBytes(32), 0o400)
  const config: Omit<KeysConfig, 'limit'> = {
    kind: 'keys',
    listen: { host: o.host, port: o.port },
    identity: 'identity.key',
    tls: { certificate: 'tls.pem', key: 'tls.key' },
    store: 'keys.sqlite',
    storeKey: 'store.key',
    audit: 'audit.jsonl',
    rosters: 'rosters',
    bans: 'bans.json',
  }
  const spki = spkiOf(new X509Certificate(tls.certificate).publicKey)
  return {
    dir,
    config: await folder.writeJson('keys.json', config),
    entry: {
      id,
      key: spkiOf(identity.publicKey),
      url: `https://${o.host}:${o.port}`,
      tls: [{ spki, voucher: vouchTls(identity.privateKey, spki) }],
    },
  }
}
