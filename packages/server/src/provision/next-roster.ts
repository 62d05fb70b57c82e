import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { MdmError } from '@mdm/core/errors'
import { rosterFingerprint, signRoster, type Roster, type TrustedRoster } from '@mdm/core/identity/roster'
import { readConfig } from '../config.ts'
import { readSecretFile } from '../secret-file.ts'
import { SiteConfig } from '../site-config.ts'
import { openRosters } from '../store/rosters.ts'
import { caEntry, readAdministrator, readUserCa } from './people.ts'
import { dropFrom } from './roster-drop.ts'
import { readServerFile } from './server-file.ts'

/** What comes to the roster, and what leaves it; paths of PEM files and of server.json files. */
export interface RosterChanges {
  readonly cas: readonly string[]
  readonly nameSpaces: readonly string[]
  readonly administrators: readonly string[]
  /** a new key server, or a known one with another URL or TLS key */
  readonly keyServers: readonly string[]
  readonly threshold?: number
  /** what leaves it, as dropFrom takes it */
  readonly drop?: readonly string[]
}

/**
 * Makes the roster that follows the site's newest, with the TLS key that the site has today, and accepts it here; a site that
 * runs sees it within a second.
 *
 * @param file site.json
 * @throws MDM_USAGE when nothing changes, or for a file that is not what it should be; MDM_CONFIG; MDM_ROSTER
 */
export async function nextRoster(
  file: string,
  changes: RosterChanges,
): Promise<{ seq: number; roster: string; fingerprint: string }> {
  const { config, path } = await readConfig(file, SiteConfig)
  const rosters = await openRosters(path(config.rosters))
  const current = rosters.of(config.site)
  if (current === undefined) throw new MdmError('MDM_CONFIG', 'no roster of this site is accepted here yet')
  const service = spkiOf(new X509Certificate(await readFile(path(config.tls.certificate))).publicKey)
  const body = await changed(current, changes, service)
  if (JSON.stringify(body) === JSON.stringify(current.body))
    throw new MdmError(
      'MDM_USAGE',
      'nothing to change: give --ca, --administrator, --key-server, --threshold or --drop',
    )
  const jws = await signRoster(
    { ...body, seq: current.body.seq + 1, prev: current.digest, created: new Date().toISOString() },
    await signerOf(path(config.signingKey), current),
  )
  const fingerprint = rosterFingerprint(jws)
  const { seq } = (await rosters.trust(jws, fingerprint)).body
  return { seq, fingerprint, roster: join(path(config.rosters), `${config.site}.${seq}.jws`) }
}

async function changed(
  { body: held, userCas }: TrustedRoster,
  o: RosterChanges,
  service: string,
): Promise<Roster> {
  const cas = await Promise.all(o.cas.map((file) => readUserCa(file, o.nameSpaces)))
  const administrators = await Promise.all(
    o.administrators.map((file) => readAdministrator(file, [...userCas, ...cas])),
  )
  const servers = await Promise.all(o.keyServers.map(readServerFile))
  const body = dropFrom(held, o.drop ?? [])
  const keyServers = replaced(
    body.keyServers,
    servers.map(({ server }) => server),
    ({ id }) => id,
  )
  const m = o.threshold ?? body.m
  if (m < 2 || m >= keyServers.length)
    throw new MdmError(
      'MDM_USAGE',
      `the threshold ${m} is not 2 or more and less than the ${keyServers.length} key servers`,
    )
  return {
    ...body,
    ...{ keyServers, m, n: keyServers.length },
    services: replaced(body.services, [{ spki: service }], ({ spki }) => spki),
    userCas: replaced(body.userCas, cas.map(caEntry), ({ certificate }) => certificate),
    administrators: replaced(body.administrators, administrators, ({ spki }) => spki),
  }
}

/** A list with what is new at its end, and what it has already in its place. */
function replaced<T>(list: readonly T[], news: readonly T[], key: (item: T) => string): T[] {
  const known = new Set(list.map(key))
  const byKey = new Map(news.map((item) => [key(item), item]))
  return [
    ...list.map((item) => byKey.get(key(item)) ?? item),
    ...[...byKey.values()].filter((n) => !known.has(key(n))),
  ]
}

async function signerOf(file: string, { signers, signing }: TrustedRoster) {
  const key = createPrivateKey(await readSecretFile(file))
  const digest = spkiDigest(key)
  const signer = signers.find((known) => spkiDigest(known.key) === digest)
  if (signer === undefined || !signing.has(digest))
    throw new MdmError('MDM_CONFIG', 'the signing key is none that the roster names')
  return { kid: signer.kid, key }
}
