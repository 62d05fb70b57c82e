import { createPrivateKey } from 'node:crypto'
import { dirname } from 'node:path'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { keyServerPeers } from '@mdm/core/access/session'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { Peer } from '@mdm/core/grid/http'
import { probe } from '@mdm/core/grid/probe'
import type { Credential } from '@mdm/core/identity/credential'
import { rosterFingerprint, type TrustedRoster } from '@mdm/core/identity/roster'
import { KeysConfig, openCrls, openVoms, readConfig } from '../config.ts'
import { readSecretFile } from '../secret-file.ts'
import { KEYS_MIGRATIONS } from '../store/keys-schema.ts'
import { storeLocation } from '../store/open-store.ts'
import { isPostgresUrl } from '../store/postgres.ts'
import { checkAudit } from './audit-log.ts'
import { checkBans } from './bans.ts'
import { checkClock } from '@mdm/core/grid/clock'
import { checkCrls } from './crls.ts'
import { checkEncryptedVolume } from './encrypted-volume.ts'
import { checkFiles, ownerOf, type PrivatePath } from './files.ts'
import { guarded } from './guarded.ts'
import { checkNode } from './node-version.ts'
import { checkOwnServer } from './own-server.ts'
import { restoreCommand } from './restore.ts'
import { readRosters } from './rosters.ts'
import { sqliteFiles, type CheckOptions } from './site.ts'
import { checkStore } from './store.ts'
import { checkTls } from './tls.ts'
import { unreadable } from './unreadable.ts'
import { checkVoms } from './voms.ts'

/**
 * Says what is wrong with a key server and what mends it, whether it runs or not. Nothing is changed.
 *
 * @param file keys.json
 */
export async function checkKeys(file: string, o: CheckOptions = {}): Promise<Finding[]> {
  const node = checkNode()
  const read = await readConfig(file, KeysConfig).catch((error: unknown) => unreadable(file, error))
  if ('level' in read) return [node, read]
  const { config, path } = read
  const now = o.now ?? (() => new Date())
  const start = `systemctl restart mdm-keys, or mdm-server keys --config ${shellWord(file)}`
  const restore = restoreCommand('keys')
  const trust = `mdm-server keys trust ROSTER --fingerprint FINGERPRINT --config ${shellWord(file)}`
  const folder = dirname(path('.x'))
  const store = storeLocation(config.store, path)
  const files = { certificate: path(config.tls.certificate), key: path(config.tls.key) }
  const [{ findings: tls, credential }, { findings: rosterFaults, rosters }, id] = await Promise.all([
    checkTls({ config: file, now: now(), files }),
    readRosters(path(config.rosters), { next: trust, restore }),
    idOf(path(config.identity)),
  ])
  const current = rosters?.current() ?? []
  return [
    node,
    good('configuration', file, 'it can be read'),
    ...(await guarded('file', async () =>
      checkFiles(privatePaths(config, path, file, store), { owner: await ownerOf(folder), restore }),
    )),
    await checkEncryptedVolume(isPostgresUrl(store) ? folder : dirname(store), o.root),
    ...tls,
    ...(await guarded('store', () =>
      checkStore({ store, known: Object.keys(KEYS_MIGRATIONS), start, restore }),
    )),
    ...(await guarded('audit', () => checkAudit(path(config.audit)))),
    await checkBans(config.bans === undefined ? undefined : path(config.bans)),
    id === undefined
      ? fault(
          'identity',
          path(config.identity),
          'it is no Ed25519 private key',
          'put back identity.key from the last backup',
        )
      : good('identity', path(config.identity), `this is key server ${id}`),
    ...rosterFaults,
    ...(await guarded('crl', () =>
      checkCrls({
        folder: config.crls === undefined ? undefined : path(config.crls),
        ...{ crls: openCrls(config, path), cas: current.flatMap(({ userCas }) => userCas), now: now() },
      }),
    )),
    ...(await guarded('voms', () =>
      checkVoms({
        folder: config.vomsdir === undefined ? undefined : path(config.vomsdir),
        ...{ voms: openVoms(config, path), cas: current.flatMap(({ userCas }) => userCas) },
      }),
    )),
    ...current.map((roster) => checkPlace(roster, { id, credential, trust })),
    ...(credential === undefined
      ? []
      : await guarded('site', () => checkOthers(current, id, credential, now))),
    ...(credential === undefined
      ? []
      : await guarded('server', () =>
          checkOwnServer(config.listen, credential, { start, patienceMs: o.patienceMs }),
        )),
  ]
}

/** Does the roster of a site name this key server, with the TLS key it has? */
function checkPlace(
  roster: TrustedRoster,
  o: { id: string | undefined; credential: Credential | undefined; trust: string },
): Finding {
  const { site, seq, keyServers } = roster.body
  const mine = keyServers.find(({ id }) => id === o.id)
  if (mine === undefined)
    return fault(
      'roster',
      site,
      'it does not name this key server',
      `have the site make a roster of your server.json; then ${o.trust}`,
    )
  const pinned = mine.tls.map(({ spki }) => spkiDigest(Buffer.from(spki, 'base64')))
  if (o.credential !== undefined && !pinned.includes(o.credential.identity.spki))
    return fault(
      'roster',
      site,
      'it names another TLS key, so nobody believes this server',
      'put back tls.key and tls.pem from the last backup',
    )
  return good('roster', site, `roster ${seq}, fingerprint ${rosterFingerprint(roster.jws)}`)
}

/** Sites and other key servers are others' to mend: they are asked for the time, and named when none of a site's answers. */
async function checkOthers(
  rosters: readonly TrustedRoster[],
  own: string | undefined,
  credential: Credential,
  now: () => Date,
): Promise<Finding[]> {
  if (rosters.length === 0) return []
  const sites = rosters.map(
    ({ body, services }) => new Peer({ url: body.api, pins: [...services], credential }),
  )
  const servers = rosters.flatMap((roster) => keyServerPeers(roster, credential))
  const others = servers.filter(({ id }) => id !== own).map(({ peer }) => peer)
  try {
    const probes = await Promise.all([...sites, ...others].map((peer) => probe(peer, now)))
    const silent = sites.filter((_, i) => !probes[i]!.answers)
    return [
      ...checkClock(probes),
      ...silent.map(({ url }) =>
        warn(
          'site',
          url,
          'it does not answer',
          'tell the site; nothing is wrong here if it is down on purpose',
        ),
      ),
    ]
  } finally {
    await Promise.all([...sites, ...servers.map(({ peer }) => peer)].map((peer) => peer.close()))
  }
}

async function idOf(file: string): Promise<string | undefined> {
  try {
    const key = createPrivateKey(await readSecretFile(file))
    return key.asymmetricKeyType === 'ed25519' ? spkiDigest(key) : undefined
  } catch {
    return undefined
  }
}

function privatePaths(
  config: KeysConfig,
  path: (relative: string) => string,
  file: string,
  store: string,
): PrivatePath[] {
  return [
    { path: dirname(path('.x')), kind: 'folder' },
    { path: file, kind: 'file' },
    { path: path(config.identity), kind: 'key' },
    { path: path(config.tls.key), kind: 'key' },
    { path: path(config.storeKey), kind: 'key' },
    { path: path(config.rosters), kind: 'folder', optional: true },
    { path: path(config.audit), kind: 'file', optional: true },
    ...(isPostgresUrl(store) ? [] : sqliteFiles(store)),
  ]
}
