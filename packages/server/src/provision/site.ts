import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { createServiceCertificate } from '@mdm/core/identity/ca'
import { rosterFingerprint, signRoster, type Roster } from '@mdm/core/identity/roster'
import type { SiteId } from '@mdm/core/names'
import { openRosters } from '../store/rosters.ts'
import { newFolder } from './folder.ts'
import { SERVICE_DAYS } from './key-server.ts'

/** Room for ciphertext that is being prepared. */
const SPOOL_BYTES = 20 * 1024 ** 3

export interface SiteOptions {
  readonly site: SiteId
  readonly host: string
  readonly port: number
  readonly srmPort: number
  readonly userCas: Roster['userCas']
  readonly administrators: Roster['administrators']
  readonly keyServers: Roster['keyServers']
  readonly threshold: number
  /** folder of DICOM files */
  readonly source?: string
}

export interface ProvisionedSite {
  readonly dir: string
  readonly api: string
  /** path of site.json */
  readonly config: string
  /** roster 1, a JWS, and its fingerprint for everyone who is to trust it */
  readonly roster: string
  readonly fingerprint: string
}

/**
 * Makes the folder of a site: its signing key, its TLS key, its pseudonym key, its configuration and roster 1, which is the
 * first thing the site itself trusts.
 *
 * @throws MDM_CONFLICT when the folder is not empty
 */
export async function provisionSite(dir: string, o: SiteOptions): Promise<ProvisionedSite> {
  const folder = await newFolder(dir)
  const signing = generateKeyPairSync('ed25519')
  const tls = await createServiceCertificate({
    commonName: `MDM site ${o.site}`,
    hosts: [o.host],
    days: SERVICE_DAYS,
  })
  await folder.write('signing.key', signing.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await folder.write('tls.pem', tls.certificate)
  await folder.write('tls.key', tls.key)
  await folder.write('pseudonym.key', randomBytes(32), 0o400)
  await mkdir(folder.path('spool'), { mode: 0o700 })
  const config = await folder.writeJson('site.json', {
    kind: 'site',
    site: o.site,
    listen: { host: o.host, port: o.port },
    tls: { certificate: 'tls.pem', key: 'tls.key' },
    signingKey: 'signing.key',
    rosters: 'rosters',
    store: 'site.sqlite',
    audit: 'audit.jsonl',
    spool: { dir: 'spool', quotaBytes: SPOOL_BYTES },
    srm: { host: o.host, port: o.srmPort },
    pseudonymKey: 'pseudonym.key',
    sources: o.source === undefined ? [] : [{ name: 'folder', url: pathToFileURL(o.source).href }],
    policy: [],
    bans: 'bans.json',
  })
  const api = `https://${o.host}:${o.port}`
  const kid = spkiDigest(signing.publicKey)
  const roster = await signRoster(
    {
      v: 1,
      site: o.site,
      seq: 1,
      prev: null,
      created: new Date().toISOString(),
      api,
      signingKeys: [{ kid, spki: spkiOf(signing.publicKey) }],
      services: [{ spki: spkiOf(new X509Certificate(tls.certificate).publicKey) }],
      userCas: o.userCas,
      administrators: o.administrators,
      keyServers: o.keyServers,
      m: o.threshold,
      n: o.keyServers.length,
    },
    { kid, key: signing.privateKey },
  )
  const fingerprint = rosterFingerprint(roster)
  const rosters = await openRosters(folder.path('rosters'))
  await rosters.trust(roster, fingerprint)
  return { dir, api, config, roster, fingerprint }
}
