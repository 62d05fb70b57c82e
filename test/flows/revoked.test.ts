import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { volumeRow } from '@mdm/core/access/metadata'
import { getRaw } from '@mdm/core/access/raw'
import { keyServerPeers, openSession, sitePeer, type Session } from '@mdm/core/access/session'
import { loadConfig } from '@mdm/core/config'
import { MdmError } from '@mdm/core/errors'
import type { Finding } from '@mdm/core/findings'
import { loadCredential } from '@mdm/core/identity/credential'
import { nextCrl } from '@mdm/core/identity/crl/write-crl'
import { parseDn } from '@mdm/core/identity/dn'
import { getHealth, getWhoami } from '@mdm/core/wire/common'
import { getShares } from '@mdm/core/wire/key-server'
import type { DicomSource } from '@mdm/server/dicom/source'
import { diagnose } from '../../packages/cli/src/doctor/diagnose.ts'
import { checkKeys } from '../../packages/server/src/check/keys.ts'
import { checkSite } from '../../packages/server/src/check/site.ts'
import { KeysConfig, readConfig } from '../../packages/server/src/config.ts'
import { SiteConfig } from '../../packages/server/src/site-config.ts'
import { runMdm } from '../fixtures/grid.ts'
import { holderOf, proxyFile, proxyOf } from '../fixtures/x509/proxies.ts'
import { addSeries, registerAll, startSiteGrid, until, untilServing, type User } from '../server/site-grid.ts'

/** A source that waits in the middle of a series while it is told to. */
let held: Promise<void> | undefined
const through = (source: DicomSource): DicomSource => ({
  ...source,
  series: (signal) => source.series(signal),
  headers: (ref, signal) => source.headers(ref, signal),
  faults: () => source.faults(),
  async *retrieve(ref, sops, signal) {
    let k = 0
    for await (const slice of source.retrieve(ref, sops, signal)) {
      if (k++ === 3) await held
      yield slice
    }
  },
})

/** Nothing, or the code of the failure that ended it. */
const endOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => 'done',
    (error: unknown) => (error instanceof MdmError ? error.code : String(error)),
  )

async function drained(body: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of body);
}

const series = { columns: 256, rows: 256, slices: 6 }
const grid = await startSiteGrid(t, {
  series: [series],
  started: false,
  site: { through, silenceMs: 200_000 },
})
const { site, keyServers, users } = grid.provisioned
const caDir = join(grid.provisioned.dir, 'ca')
const folders = [site.dir, ...keyServers.map(({ dir }) => dir)].map((dir) => join(dir, 'crls'))
const ca = {
  certificate: await readFile(join(caDir, 'ca.pem'), 'utf8'),
  key: await readFile(join(caDir, 'ca.key'), 'utf8'),
}
const read = async () => await readFile(join(caDir, 'ca.crl'))

/** As an administrator copies a list: whole or not at all. */
async function publish(list: Buffer | string, to: readonly string[] = folders): Promise<void> {
  for (const dir of to) {
    await mkdir(dir, { recursive: true })
    await writeFile(join(dir, 'ca.crl.new'), list)
    await rename(join(dir, 'ca.crl.new'), join(dir, 'ca.crl'))
  }
}

/** The next list of the CA, which ends after so many seconds. */
async function nextList(seconds: number): Promise<string> {
  const made = nextCrl({ ca, last: await read(), revoke: [], days: seconds / 86_400, now: new Date() })
  await writeFile(join(caDir, 'ca.crl'), made.pem)
  return made.pem
}

async function setCrls(): Promise<void> {
  const { config } = await readConfig(site.config, SiteConfig)
  await writeFile(site.config, JSON.stringify({ ...config, crls: 'crls' }), { mode: 0o600 })
  for (const [i, server] of keyServers.entries()) {
    await grid.stopKeyServer(i)
    const { config } = await readConfig(server.config, KeysConfig)
    await writeFile(server.config, JSON.stringify({ ...config, crls: 'crls' }), { mode: 0o600 })
  }
  for (const i of keyServers.keys()) await grid.startKeyServer(i)
}

const first = await runMdm(['ca', 'crl', '--ca', caDir, '--json'])
if (first.code !== 0) throw new Error(first.stderr)
await publish(await read())
await setCrls()
await grid.startSite()
const admin = await grid.as('admin')
await untilServing(admin)
const [registered] = (await registerAll(admin)).filter((event) => event.type === 'registered')
const guid = registered!.volume.guid
const principal = (user: User) => ({
  kind: 'user' as const,
  dn: parseDn(users[user]!.dn),
  issuer: admin.credential.identity.issuer,
})
for (const user of ['scientist', 'physician'] as const)
  await grant(admin, guid, { to: principal(user), preset: 'process' })

/** A session by a new proxy of a user, as a job would carry it. */
async function asJobOf(user: User): Promise<Session> {
  const { config } = users[user]!
  const [certificate, key] = await Promise.all(
    ['pem', 'key'].map((ending) => readFile(config.replace('config.json', `${user}.${ending}`))),
  )
  const proxy = proxyOf(holderOf(new X509Certificate(certificate!), createPrivateKey(key!)))
  const cert = join(grid.dir, 'proxy.pem')
  await writeFile(cert, proxyFile(proxy), { mode: 0o600 })
  const session = await openSession(await loadConfig({ config, cert }))
  t.teardown(() => session.close())
  return session
}

const peersOf = (s: Session) => [s.site, ...s.keyServers.map(({ peer }) => peer)]
const whoami = async (s: Session) => await Promise.all(peersOf(s).map((peer) => endOf(peer.call(getWhoami))))
const all = (code: string) => Array(1 + keyServers.length).fill(code)
const ill = (found: readonly Finding[], name: string) =>
  found.filter((f) => f.name === name && f.level !== 'ok')

t.test(
  'a revoked user is refused by every server within seconds, on open connections and in a running transfer; others go on',
  async (t) => {
    const [scientist, physician] = [await grid.as('scientist'), await grid.as('physician')]
    const job = await asJobOf('scientist')
    for (const who of [scientist, job])
      t.strictSame(await whoami(who), all('done'), 'the connections are open')
    const hold = Promise.withResolvers<void>()
    held = hold.promise
    t.teardown(() => hold.resolve())
    const transfers = await Promise.all([scientist, job, physician].map((s) => getRaw(s, { guid })))
    const [cut, cutToo, whole] = transfers.map(({ body }) => endOf(drained(body)))

    const began = Date.now()
    const certificate = users['scientist']!.config.replace('config.json', 'scientist.pem')
    const revoked = await runMdm(['ca', 'revoke', certificate, '--ca', caDir, '--json'])
    t.match(revoked.json, { revoked: 1 }, revoked.stderr)
    await publish(await read())
    await wait(1_200)
    t.strictSame(await whoami(scientist), all('MDM_REVOKED'))
    t.equal(await endOf(scientist.keyServers[0]!.peer.call(getShares, { params: { guid } })), 'MDM_REVOKED')
    t.strictSame(await whoami(job), all('MDM_REVOKED'), 'a proxy ends with its owner')
    for (const who of [await grid.as('scientist'), await asJobOf('scientist')])
      t.strictSame(await whoami(who), all('MDM_REVOKED'), 'a new connection')
    t.strictSame(await whoami(physician), all('done'))
    t.equal((await volumeRow(physician, { guid })).guid, guid)
    const get = await runMdm(['stat', guid], { config: users['scientist']!.config })
    t.equal(get.code, 4)
    t.match(get.stderr, /MDM_REVOKED/)

    const log = await readFile(join(site.dir, 'audit.jsonl'), 'utf8')
    t.match(log, /"request-refused"[^\n]*"MDM_REVOKED"/)

    const found = await diagnose({ config: users['scientist']!.config }, { folder: t.testdirName })
    t.match(ill(found, 'site'), [{ level: 'fault', message: /was revoked/, next: /^mdm whoami; get a new/ }])
    const user = await checkSite(site.config, { users: [certificate] })
    t.match(ill(user, 'user'), [{ level: 'fault', message: /was revoked/ }])
    t.strictSame(ill(user, 'crl'), [])

    t.strictSame(await Promise.all([cut, cutToo]), ['MDM_UNREACHABLE', 'MDM_UNREACHABLE'])
    t.ok(Date.now() - began < 60_000, 'cut within a minute of the revocation')
    hold.resolve()
    t.equal(await whole, 'done', 'the transfer of another user ends well')
  },
)

t.test(
  'a list past its end lets in nobody until a new one is there; check, doctor and health name it',
  async (t) => {
    const physician = await grid.as('physician')
    const atKeys = folders.slice(1)
    const ending = await nextList(2)
    await publish(ending, atKeys)
    await wait(3_300)
    t.strictSame(await whoami(physician), ['done', ...keyServers.map(() => 'MDM_CRL')])
    const service = await loadCredential({
      certificate: join(site.dir, 'tls.pem'),
      key: join(site.dir, 'tls.key'),
    })
    const asSite = keyServerPeers(admin.roster, service)
    const own = sitePeer(admin.roster, service)
    t.teardown(() => Promise.all([own, ...asSite.map(({ peer }) => peer)].map((peer) => peer.close())))
    for (const { peer } of asSite)
      t.strictSame(await peer.call(getHealth), { status: 'not ready', reasons: ['crl-stale'] })
    const check = await checkKeys(keyServers[0]!.config)
    t.match(ill(check, 'crl'), [
      {
        level: 'fault',
        subject: /user ca/,
        message: /ended at .* nobody/,
        next: /crls: mdm ca crl --ca DIR/,
      },
    ])
    t.match(ill(check, 'server'), [{ level: 'fault', message: /crl-stale/ }])
    const fromSite = await checkSite(site.config)
    t.match(
      ill(fromSite, 'key-server'),
      keyServers.map(() => ({ level: 'fault', message: /crl-stale/ })),
    )

    const found = await diagnose({ config: users['physician']!.config }, { folder: t.testdirName })
    t.match(
      ill(found, 'key-server'),
      keyServers.map(() => ({ message: /revocation list/, next: /^mdm-server check keys/ })),
    )
    t.match(ill(found, 'quorum'), [{ level: 'fault' }])

    await addSeries(grid.source, 'later', { ...series, columns: 8, rows: 8 })
    t.match(
      (await registerAll(admin)).filter(({ type }) => type === 'registered'),
      [{ type: 'registered' }],
      'key servers still take shares',
    )

    await publish(ending, folders.slice(0, 1))
    await wait(1_200)
    t.strictSame(await whoami(physician), all('MDM_CRL'))
    t.strictSame((await own.call(getHealth)).reasons, ['crl-stale'])
    const away = await diagnose({ config: users['physician']!.config }, { folder: t.testdirName })
    t.match(ill(away, 'site'), [
      { level: 'fault', message: /revocation list/, next: /^mdm-server check site .*tell its administrator/ },
    ])
    const refused = await runMdm(['stat', guid], { config: users['physician']!.config })
    t.equal(refused.code, 5)

    await publish(await nextList(86_400))
    await wait(1_200)
    t.strictSame(await whoami(physician), all('done'))
    t.strictSame(await whoami(await grid.as('scientist')), all('MDM_REVOKED'))
    await until(async () => (await own.call(getHealth)).status === 'ready')
  },
)

t.test(
  'a damaged list undoes nothing while a server runs, and a restart without a good one lets in nobody',
  async (t) => {
    const physician = await grid.as('physician')
    const newest = await read()
    await publish('damaged', folders.slice(1, 2))
    await wait(1_200)
    t.strictSame(await whoami(physician), all('done'), 'the last good one is in force')
    await grid.stopKeyServer(0)
    await grid.startKeyServer(0)
    await until(async () => (await whoami(physician))[1] === 'MDM_CRL')
    await publish(newest, folders.slice(1, 2))
    await until(async () => (await whoami(physician))[1] === 'done')
    t.equal((await whoami(await grid.as('scientist')))[1], 'MDM_REVOKED')
  },
)
