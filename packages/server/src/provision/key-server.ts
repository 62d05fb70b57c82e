import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import type { z } from 'zod'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { createCertificateRequest, createServiceCertificate } from '@mdm/core/identity/ca'
import { vouchTls, type Roster } from '@mdm/core/identity/roster'
import { KeyServerId } from '@mdm/core/names'
import type { KeysConfig, Listen } from '../config.ts'
import { urlOf, type Address } from './address.ts'
import { commentedJson } from './commented.ts'
import { newFolder } from './folder.ts'
import { keysFields } from './keys-fields.ts'
import { ServerFile } from './server-file.ts'

/** How long a service certificate lasts; peers pin its key, not its time. */
export const SERVICE_DAYS = 3650

export interface KeyServerOptions extends Address {
  /** where it listens; the address itself when absent */
  readonly listen?: Listen
  /** `postgres://user@host/database`; a SQLite file in the folder when absent */
  readonly store?: string
  /** who runs it, for the sites that use it */
  readonly operator?: string
  /** explain each field in keys.json, for the person who will keep it */
  readonly comments?: boolean
}

export interface ProvisionedKeyServer {
  readonly dir: string
  /** path of keys.json */
  readonly config: string
  /** path of server.json, for the site */
  readonly serverFile: string
  /** what the roster of a site says about this server */
  readonly entry: Roster['keyServers'][number]
}

/**
 * Makes the folder of one key server: its long-lived identity key, a TLS key that it vouches for with certificate and request,
 * the key of its store, a configuration that trusts nobody yet, and server.json, which a site needs.
 *
 * @param o `host` and `port` where sites and users find it
 * @throws MDM_CONFLICT when the folder is not empty
 */
export async function provisionKeyServer(dir: string, o: KeyServerOptions): Promise<ProvisionedKeyServer> {
  const folder = await newFolder(dir)
  const identity = generateKeyPairSync('ed25519')
  const id = KeyServerId.parse(spkiDigest(identity.publicKey))
  const names = { commonName: `MDM key server ${id.slice(0, 12)}`, hosts: [o.host] }
  const tls = await createServiceCertificate({ ...names, days: SERVICE_DAYS })
  await folder.write('identity.key', identity.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await folder.write('tls.pem', tls.certificate)
  await folder.write('tls.key', tls.key)
  await folder.write('tls.csr', createCertificateRequest({ ...names, key: tls.key }))
  await folder.write('store.key', randomBytes(32), 0o400)
  const config: z.input<typeof KeysConfig> = {
    kind: 'keys',
    listen: o.listen ?? { host: o.host, port: o.port },
    identity: 'identity.key',
    tls: { certificate: 'tls.pem', key: 'tls.key' },
    store: o.store ?? 'keys.sqlite',
    storeKey: 'store.key',
    audit: 'audit.jsonl',
    rosters: 'rosters',
    bans: 'bans.json',
  }
  const spki = spkiOf(new X509Certificate(tls.certificate).publicKey)
  const entry = {
    id,
    key: spkiOf(identity.publicKey),
    url: urlOf(o),
    tls: [{ spki, voucher: vouchTls(identity.privateKey, spki) }],
  }
  const { operator } = o
  const server = { v: 1, kind: 'key-server', server: entry, ...(operator === undefined ? {} : { operator }) }
  return {
    dir,
    serverFile: await folder.writeJson('server.json', ServerFile.parse(server)),
    config:
      o.comments === true
        ? await folder.write('keys.json', commentedJson(...keysFields(config)))
        : await folder.writeJson('keys.json', config),
    entry,
  }
}
