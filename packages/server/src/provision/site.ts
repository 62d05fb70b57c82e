import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import type { z } from 'zod'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { createCertificateRequest, createServiceCertificate } from '@mdm/core/identity/ca'
import { rosterFingerprint, signRoster, type Roster } from '@mdm/core/identity/roster'
import type { SiteId } from '@mdm/core/names'
import type { Listen } from '../config.ts'
import type { SiteConfig } from '../site-config.ts'
import { openRosters } from '../store/rosters.ts'
import { urlOf, type Address } from './address.ts'
import { commentedJson } from './commented.ts'
import { newFolder } from './folder.ts'
import { SERVICE_DAYS } from './key-server.ts'
import { siteFields } from './site-fields.ts'

/** Room for ciphertext that is being prepared. */
const SPOOL_BYTES = 20 * 1024 ** 3

/** The site as a storage element. */
export interface SrmOptions {
  readonly port: number
  /** what SURLs say; the host of the address when absent */
  readonly host?: string
  /** where grid clients are listened to; nowhere when absent */
  readonly listen?: Listen
  /** Makes the certificate that grid clients are shown, for the key of the site (PEM); they are shown the site's own when absent. */
  certify?(key: string): Promise<string>
}

export interface SiteOptions extends Address {
  readonly site: SiteId
  /** where it listens; the address itself when absent */
  readonly listen?: Listen
  readonly srm: SrmOptions
  readonly userCas: Roster['userCas']
  readonly administrators: Roster['administrators']
  readonly keyServers: Roster['keyServers']
  readonly threshold: number
  /** folder of DICOM files */
  readonly source?: string
  /** false: what comes into the folder is registered only when somebody asks */
  readonly live?: boolean
  /** `postgres://user@host/database`; a SQLite file in the folder when absent */
  readonly store?: string
  /** who runs each key server, by its id */
  readonly operators?: SiteConfig['operators']
  /** explain each field in site.json, for the person who will keep it */
  readonly comments?: boolean
}

export interface ProvisionedSite {
  readonly dir: string
  readonly api: string
  /** path of site.json */
  readonly config: string
  /** roster 1, a JWS, and its fingerprint for everyone who is to trust it */
  readonly roster: string
  readonly fingerprint: string
  /** path of a copy of roster 1, to give away */
  readonly rosterFile: string
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
  const names = { commonName: `MDM site ${o.site}`, hosts: [o.host] }
  const tls = await createServiceCertificate({ ...names, days: SERVICE_DAYS })
  await folder.write('signing.key', signing.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await folder.write('tls.pem', tls.certificate)
  await folder.write('tls.key', tls.key)
  await folder.write('tls.csr', createCertificateRequest({ ...names, key: tls.key }))
  const host = await o.srm.certify?.(tls.key)
  if (host !== undefined) await folder.write('host.pem', host)
  await folder.write('pseudonym.key', randomBytes(32), 0o400)
  await mkdir(folder.path('spool'), { mode: 0o700 })
  const fields = configOf(o)
  const config =
    o.comments === true
      ? await folder.write('site.json', commentedJson(...siteFields(fields)))
      : await folder.writeJson('site.json', fields)
  const api = urlOf(o)
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
  const rosterFile = await folder.write(`${o.site}.roster.jws`, `${roster}\n`)
  return { dir, api, config, roster, fingerprint, rosterFile }
}

function folderOf(source: string, live: boolean): z.input<typeof SiteConfig>['sources'][number] {
  return { name: 'folder', url: pathToFileURL(source).href, ...(live ? {} : { pollSeconds: 0 }) }
}

function srmOf({ host, srm }: SiteOptions): z.input<typeof SiteConfig>['srm'] {
  return {
    ...{ host: srm.host ?? host, port: srm.port },
    ...(srm.listen === undefined ? {} : { listen: srm.listen }),
    ...(srm.certify === undefined ? {} : { tls: { certificate: 'host.pem', key: 'tls.key' } }),
  }
}

function configOf(o: SiteOptions): z.input<typeof SiteConfig> {
  return {
    kind: 'site',
    site: o.site,
    listen: o.listen ?? { host: o.host, port: o.port },
    tls: { certificate: 'tls.pem', key: 'tls.key' },
    signingKey: 'signing.key',
    rosters: 'rosters',
    store: o.store ?? 'site.sqlite',
    audit: 'audit.jsonl',
    spool: { dir: 'spool', quotaBytes: SPOOL_BYTES },
    srm: srmOf(o),
    pseudonymKey: 'pseudonym.key',
    dates: 'removed',
    ages: 'removed',
    sources: o.source === undefined ? [] : [folderOf(o.source, o.live ?? true)],
    policy: [],
    bans: 'bans.json',
    ...(o.operators === undefined ? {} : { operators: o.operators }),
  }
}
