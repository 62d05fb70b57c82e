import { createPrivateKey } from 'node:crypto'
import { dirname, join } from 'node:path'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { fault, good, shellWord, type Finding } from '@mdm/core/findings'
import type { Credential } from '@mdm/core/identity/credential'
import { rosterFingerprint, type TrustedRoster } from '@mdm/core/identity/roster'
import { openCrls, openVoms, readConfig } from '../config.ts'
import { absoluteSource } from '../dicom/sources/index.ts'
import { readSecretFile } from '../secret-file.ts'
import { SiteConfig } from '../site-config.ts'
import { isPostgresUrl } from '../store/postgres.ts'
import { storeLocation } from '../store/open-store.ts'
import { SITE_MIGRATIONS } from '../store/site-migrations.ts'
import { checkAudit } from './audit-log.ts'
import { checkBans } from './bans.ts'
import { checkClock } from '@mdm/core/grid/clock'
import { checkCrls } from './crls.ts'
import { checkEncryptedVolume } from './encrypted-volume.ts'
import { checkFiles, ownerOf, type PrivatePath } from './files.ts'
import { guarded } from './guarded.ts'
import { checkHostCertificate } from './host-certificate.ts'
import { checkKeyServers, type SiteRoster } from './key-servers.ts'
import { checkNode } from './node-version.ts'
import { checkListeners } from './listeners.ts'
import { checkOperators } from './operators.ts'
import { checkOwnServer } from './own-server.ts'
import { checkRosterContent } from './roster-content.ts'
import { checkPseudonymKey } from './pseudonym-key.ts'
import { restoreCommand } from './restore.ts'
import { readRosters } from './rosters.ts'
import { checkSources } from './sources.ts'
import { checkSpool } from './spool.ts'
import { checkStore } from './store.ts'
import { checkTls } from './tls.ts'
import { unreadable } from './unreadable.ts'
import { checkUser } from './users.ts'
import { checkVoms } from './voms.ts'

export interface CheckOptions {
  readonly now?: () => Date
  /** where /proc and /sys are */
  readonly root?: string
  /** how long a server may wait for others before that is a fault, ms */
  readonly patienceMs?: number
}

/**
 * Says what is wrong with a site and what mends it, whether the site runs or not. Nothing is changed.
 *
 * @param file site.json
 * @param o `users` are certificates (PEM) to try: would the site let them in?
 */
export async function checkSite(
  file: string,
  o: CheckOptions & { users?: readonly string[] } = {},
): Promise<Finding[]> {
  const node = checkNode()
  const read = await readConfig(file, SiteConfig).catch((error: unknown) => unreadable(file, error))
  if ('level' in read) return [node, read]
  const { config, path } = read
  const now = o.now ?? (() => new Date())
  const start = `systemctl restart mdm-site, or mdm-server site --config ${shellWord(file)}`
  const restore = restoreCommand('site')
  const crls = openCrls(config, path)
  const voms = openVoms(config, path)
  const bans = config.bans === undefined ? undefined : path(config.bans)
  const known = { config: file, now: now(), crls, voms, bans }
  const folder = dirname(path('.x'))
  const store = storeLocation(config.store, path)
  const rosterDir = path(config.rosters)
  const [{ findings: tls, credential }, { findings: rosterFaults, rosters }] = await Promise.all([
    checkTls({ ...known, files: absolute(config.tls, path) }),
    readRosters(rosterDir, { next: restore, restore }),
  ])
  const roster = rosters?.of(config.site)
  const sources = config.sources.map((source) => absoluteSource(source, path))
  const files = privatePaths(config, path, file, store)
  const server =
    credential === undefined
      ? []
      : await guarded('server', () =>
          checkOwnServer(config.listen, credential, { start, patienceMs: o.patienceMs }),
        )
  return [
    node,
    good('configuration', file, 'it can be read'),
    ...(await guarded(
      'file',
      async () => await checkFiles(files, { owner: await ownerOf(folder), restore }),
    )),
    await checkEncryptedVolume(isPostgresUrl(store) ? folder : dirname(store), o.root),
    ...tls,
    ...(await guarded('store', () =>
      checkStore({ store, known: Object.keys(SITE_MIGRATIONS), start, restore }),
    )),
    ...(await guarded('audit', () => checkAudit(path(config.audit)))),
    ...(await guarded('spool', () => checkSpool(path(config.spool.dir), config.spool.quotaBytes))),
    ...(await guarded('source', () => checkSources(sources))),
    await checkBans(bans),
    ...rosterFaults,
    ...(rosters === undefined || roster !== undefined ? [] : [noRoster(config.site, rosterDir)]),
    ...(roster === undefined
      ? []
      : await guarded('crl', () =>
          checkCrls({
            folder: config.crls === undefined ? undefined : path(config.crls),
            ...{ crls, cas: roster.userCas, now: now() },
          }),
        )),
    ...(await guarded('voms', () =>
      checkVoms({
        folder: config.vomsdir === undefined ? undefined : path(config.vomsdir),
        ...{ voms, cas: roster?.userCas },
      }),
    )),
    ...(roster === undefined
      ? []
      : await guarded('roster', async () => [
          good(
            'roster',
            rosterDir,
            `roster ${roster.body.seq}, fingerprint ${rosterFingerprint(roster.jws)}`,
          ),
          await checkSigningKey(path(config.signingKey), roster),
          ...checkRosterContent(roster, known),
          ...(await Promise.all((o.users ?? []).map((user) => checkUser(roster, user, known)))).flat(),
          ...checkOperators(roster.body, config.operators),
        ])),
    ...(roster === undefined || credential === undefined
      ? []
      : await guarded('key-server', () => {
          const rosterFile = join(rosterDir, `${config.site}.${roster.body.seq}.jws`)
          return checkOthers({ roster, file: rosterFile }, credential, {
            ...{ now, patienceMs: o.patienceMs },
            keyFile: path(config.tls.key),
            store,
          })
        })),
    ...server,
    ...(config.srm.listen === undefined
      ? []
      : await guarded('host-certificate', () =>
          checkHostCertificate({
            files: absolute(config.srm.tls ?? config.tls, path),
            ...{ host: config.srm.host, now: now(), cas: roster?.userCas ?? [], crls },
          }),
        )),
    ...(await guarded('listener', () =>
      checkListeners(config, { runs: server.some(({ level }) => level !== 'warn') }),
    )),
  ]
}

function absolute(files: { certificate: string; key: string }, path: (relative: string) => string) {
  return { certificate: path(files.certificate), key: path(files.key) }
}

function noRoster(site: string, dir: string): Finding {
  return fault('roster', dir, `no roster of site "${site}" is here`, restoreCommand('site'))
}

async function checkOthers(
  held: SiteRoster,
  credential: Credential,
  o: { now: () => Date; patienceMs: number | undefined; keyFile: string; store: string },
): Promise<Finding[]> {
  if (!held.roster.services.has(credential.identity.spki)) {
    const next = `put back ${shellWord(o.keyFile)} and its certificate from the last backup`
    const message = 'the roster names another TLS key, so nobody believes this site'
    return [fault('tls-certificate', o.keyFile, message, next)]
  }
  const { findings, probes } = await checkKeyServers(held, credential, o)
  const pseudonyms = await checkPseudonymKey(o.store, held.roster, credential)
  return [...checkClock(probes), ...findings, ...pseudonyms]
}

async function checkSigningKey(file: string, roster: TrustedRoster): Promise<Finding> {
  const next = `put back ${shellWord(file)} from the last backup`
  try {
    const digest = spkiDigest(createPrivateKey(await readSecretFile(file)))
    return roster.signing.has(digest)
      ? good('signing-key', file, 'the roster names it')
      : fault('signing-key', file, 'the roster names another signing key', next)
  } catch {
    return fault('signing-key', file, 'it cannot be read as a private key', next)
  }
}

function privatePaths(
  config: SiteConfig,
  path: (relative: string) => string,
  file: string,
  store: string,
): PrivatePath[] {
  return [
    { path: dirname(path('.x')), kind: 'folder' },
    { path: file, kind: 'file' },
    { path: path(config.tls.key), kind: 'key' },
    { path: path(config.signingKey), kind: 'key' },
    { path: path(config.pseudonymKey), kind: 'key' },
    ...[
      ...[config.hooks?.secretFile, config.dicom?.tls?.key, config.srm.tls?.key],
      ...config.sources.flatMap(({ tls, credentials }) => [tls?.key, credentials]),
    ].flatMap((key) => (key === undefined ? [] : [{ path: path(key), kind: 'key' as const }])),
    { path: path(config.rosters), kind: 'folder', optional: true },
    { path: path(config.spool.dir), kind: 'folder', optional: true },
    { path: path(config.audit), kind: 'file', optional: true },
    ...(isPostgresUrl(store) ? [] : sqliteFiles(store)),
  ]
}

/** A database of SQLite and the files it keeps beside it. */
export function sqliteFiles(store: string): PrivatePath[] {
  return ['', '-wal', '-shm', '.lock'].map((end) => ({
    path: `${store}${end}`,
    kind: 'file',
    optional: true,
  }))
}
