import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { grant, revoke } from '../../../packages/core/src/access/acl.ts'
import { fetchFileKey } from '../../../packages/core/src/access/file-key.ts'
import { openVolume } from '../../../packages/core/src/access/decrypt.ts'
import type { Session } from '../../../packages/core/src/access/session.ts'
import type { Principal } from '../../../packages/core/src/acl/principal.ts'
import { emptyChain, signStatement } from '../../../packages/core/src/acl/statement.ts'
import { Peer } from '../../../packages/core/src/grid/http.ts'
import { loadCredential } from '../../../packages/core/src/identity/credential.ts'
import { Kid, newGuid, newKid, type Guid } from '../../../packages/core/src/names.ts'
import { getHealth, getStatements, postStatement } from '../../../packages/core/src/wire/common.ts'
import { deleteShares, getShares, putShare } from '../../../packages/core/src/wire/key-server.ts'
import { getHeads } from '../../../packages/core/src/wire/witness.ts'
import { rosterFingerprint } from '../../../packages/core/src/identity/roster.ts'
import { openLog } from '../../../packages/server/src/http/log.ts'
import { serveWithoutWitness, startKeyServer, trustRoster } from '../../../packages/server/src/keys.ts'
import { makeGrid, peerOf } from './grid.ts'
import { siteRows } from '../register/invariants.ts'
import { registerAll, startSiteGrid, until, type SiteGrid, type User } from '../site-grid.ts'

const isCatchingUp = { code: 'MDM_CATCHING_UP' }

interface Setting {
  readonly grid: SiteGrid
  readonly admin: Session
  readonly guid: Guid
  readonly kid: Kid
  as(user: User): Promise<Session>
  person(user: User): Principal
}

/** One registered volume that the physician and the scientist may read. */
async function setting(t: Test): Promise<Setting> {
  const grid = await startSiteGrid(t)
  const admin = await grid.as('admin')
  await registerAll(admin)
  const [row] = siteRows(grid, 'select guid, kid from versions') as [{ guid: Guid; kid: Kid }]
  const { dn, issuer } = admin.credential.identity
  const person = (user: User): Principal => ({
    ...{ kind: 'user', issuer },
    dn: dn.replace('admin', user) as typeof dn,
  })
  for (const user of ['physician', 'scientist'] as const)
    await grant(admin, row.guid, { to: person(user), preset: 'process' })
  return { grid, admin, guid: row.guid, kid: Kid.parse(row.kid), as: (user) => grid.as(user), person }
}

/** Copies the folder of a key server away, as a snapshot of its machine does, and gives what puts it back. */
async function snapshot(grid: SiteGrid, i: number): Promise<() => Promise<void>> {
  const { dir } = grid.provisioned.keyServers[i]!
  await grid.stopKeyServer(i)
  await cp(dir, `${dir}.yesterday`, { recursive: true })
  await grid.startKeyServer(i)
  return async () => {
    await grid.stopKeyServer(i)
    await rm(dir, { recursive: true })
    await cp(`${dir}.yesterday`, dir, { recursive: true })
  }
}

const keyOf = (session: Session, { guid, kid }: Setting) => fetchFileKey(session, guid, kid, {})
const shareOf = (session: Session, i: number, guid: Guid) =>
  session.keyServers[i]!.peer.call(getShares, { params: { guid } })
const healthOf = (session: Session, i: number) => session.keyServers[i]!.peer.call(getHealth)
const isServing = (session: Session, i: number) => async () => (await healthOf(session, i)).status === 'ready'
const auditOf = async (grid: SiteGrid, i: number) =>
  (await readFile(join(grid.provisioned.keyServers[i]!.dir, 'audit.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; code?: string; facts?: Record<string, unknown> })

/** The site puts a share to the first key server once more. */
async function putAgain(grid: SiteGrid, admin: Session, guid: Guid): Promise<void> {
  const { dir } = grid.provisioned.site
  const credential = await loadCredential({ certificate: join(dir, 'tls.pem'), key: join(dir, 'tls.key') })
  const peer = new Peer({
    url: admin.keyServers[0]!.peer.url,
    pins: [...admin.roster.keyServerTls.keys()],
    credential,
  })
  const [{ manifest, kid }] = siteRows(
    grid,
    `select jws as manifest, kid from manifests join versions using (guid) where guid = '${guid}'`,
  ) as [{ manifest: string; kid: string }]
  const body = { manifest, founding: manifest, share: Buffer.alloc(124).toString('base64') }
  try {
    await peer.call(putShare, { params: { guid, kid: Kid.parse(kid), epoch: 1 }, body })
  } finally {
    await peer.close()
  }
}

/** Bans a user at the site and at every key server; no preset does that yet. */
async function ban(o: Setting, user: User, peers?: readonly Peer[]): Promise<{ banned: string }> {
  const { site } = o.admin.roster.body
  const change = { op: 'ban', who: o.person(user) } as const
  const { credential } = o.admin
  const chain = emptyChain(site, 'site', 'ban')
  const statement = await signStatement({ chain, change, credential, now: new Date() })
  for (const peer of peers ?? [o.admin.site, ...o.admin.keyServers.map((k) => k.peer)])
    await peer.call(postStatement, { body: { statement } })
  return { banned: 'MDM_NOT_FOUND' }
}

const o = await setting(t)

t.test(
  'heads are for the services of the roster, and lists of files and metadata for no key server',
  async (t) => {
    const { grid, admin, guid } = o
    const { dir } = grid.provisioned.keyServers[0]!
    const credential = await loadCredential({ certificate: join(dir, 'tls.pem'), key: join(dir, 'tls.key') })
    const asKeyServer = (of: Peer) => {
      const service = [...admin.roster.services][0]!
      const pins = [service, ...admin.roster.keyServerTls.keys()]
      const peer = new Peer({ url: of.url, pins, credential })
      t.teardown(() => peer.close())
      return peer
    }
    const { site } = admin.roster.body
    const hosts = [admin.site, admin.keyServers[1]!.peer]
    for (const host of hosts) {
      const params = { site, scope: guid }
      const peer = asKeyServer(host)
      const { heads } = await peer.call(getHeads, { params: { site } })
      t.match(
        heads.find(({ scope }) => scope === guid),
        { object: 'key', seq: 2 },
      )
      t.equal((await peer.call(getStatements, { params: { ...params, object: 'key' } })).statements.length, 3)
      for (const object of ['file', 'metadata:patient'] as const)
        await t.rejects(peer.call(getStatements, { params: { ...params, object } }), {
          code: 'MDM_NOT_FOUND',
        })
      await t.rejects(peer.call(getShares, { params: { guid } }), { code: 'MDM_NOT_FOUND' })
    }
    for (const user of ['admin', 'scientist', 'stranger'] as const) {
      const session = await o.as(user)
      for (const peer of [session.site, session.keyServers[1]!.peer])
        await t.rejects(peer.call(getHeads, { params: { site } }), { code: 'MDM_NOT_FOUND' })
    }
  },
)
t.test('after a power cut all servers start at once and help one another', async (t) => {
  const { grid, admin } = o
  await grid.stopSite()
  for (const i of [0, 1, 2]) await grid.stopKeyServer(i)
  await Promise.all([0, 1, 2].map((i) => grid.startKeyServer(i)))
  for (const i of [0, 1, 2]) await until(isServing(admin, i))
  t.ok(await keyOf(await o.as('scientist'), o), 'without the site, too')
  await grid.startSite()
})

t.test('an operator goes on without a witness that is lost, by its name, once', async (t) => {
  const { grid, admin, guid } = o
  const scientist = await o.as('scientist')
  await grid.stopSite()
  for (const i of [0, 1, 2]) await grid.stopKeyServer(i)
  await grid.startKeyServer(0)
  await t.rejects(shareOf(scientist, 0, guid), isCatchingUp)
  await t.rejects(putAgain(grid, admin, guid), isCatchingUp, 'nor does it take a share: the site tries again')
  await t.rejects(ban(o, 'stranger', [admin.keyServers[0]!.peer]), isCatchingUp, 'or a statement')
  const { config } = grid.provisioned.keyServers[0]!
  const reason = 'the hospital has moved'
  await t.rejects(serveWithoutWitness(config, { witness: 'nobody', reason }), { code: 'MDM_USAGE' })
  await serveWithoutWitness(config, { witness: 'site', reason })
  await serveWithoutWitness(config, { witness: grid.provisioned.keyServers[1]!.id.slice(0, 12), reason })
  await until(isServing(admin, 0))
  t.equal((await shareOf(scientist, 0, guid)).releases.length, 1)
  t.match(
    (await auditOf(grid, 0)).filter(({ event }) => event === 'witness-waived'),
    [{ facts: { reason } }, { facts: { reason } }],
  )
  await grid.stopKeyServer(0)
  await grid.startKeyServer(0)
  await t.rejects(shareOf(scientist, 0, guid), isCatchingUp, 'the next start asks all of them again')
  await Promise.all([1, 2].map((i) => grid.startKeyServer(i)))
  await grid.startSite()
  for (const i of [0, 1, 2]) await until(isServing(admin, i))
})

t.test('a witness that claims what it cannot show is named and holds nobody up', async (t) => {
  const { grid, admin, guid } = o
  const liar = grid.provisioned.keyServers[1]!
  const claim = (digest: string) => {
    const db = new DatabaseSync(join(liar.dir, 'keys.sqlite'))
    const [held] = db.prepare(`select digest from acl_statement where scope = '${guid}' and seq = 2`).all()
    db.exec(`update acl_statement set digest = '${digest}' where scope = '${guid}' and seq = 2`)
    db.close()
    return String(held!.digest)
  }
  await grid.stopKeyServer(0)
  const truth = claim('0'.repeat(64))
  await grid.startKeyServer(0)
  await until(isServing(admin, 0))
  t.ok(await shareOf(await o.as('scientist'), 0, guid))
  t.match(
    (await auditOf(grid, 0)).filter(({ event }) => event === 'witness-refused'),
    [{ code: 'MDM_STATEMENT', facts: { witness: liar.id } }],
  )
  claim(truth)
})

t.test('a volume registered since the backup is known, though its share is not there', async (t) => {
  const { grid, admin, guid } = o
  const { dir } = grid.provisioned.keyServers[0]!
  await grid.stopKeyServer(0)
  for (const file of ['keys.sqlite', 'keys.sqlite-wal', 'keys.sqlite-shm'])
    await rm(join(dir, file), { force: true })
  await grid.startKeyServer(0)
  await until(isServing(admin, 0))
  await t.rejects(shareOf(await o.as('scientist'), 0, guid), { code: 'MDM_NOT_FOUND' })
  const list = { params: { site: admin.roster.body.site, scope: guid, object: 'key' as const } }
  const [here, there] = await Promise.all(
    [0, 1].map((i) => admin.keyServers[i]!.peer.call(getStatements, list)),
  )
  t.strictSame(here, there, 'its list is as new as the others: a share that comes later is under it')
})

t.test('a revoked reader gets nothing from key servers that were put back to yesterday', async (t) => {
  const { grid, admin, guid } = o
  const [reader, other, stranger] = [await o.as('physician'), await o.as('scientist'), await o.as('stranger')]
  const putBack = [await snapshot(grid, 0), await snapshot(grid, 1)]
  for (const i of [0, 1]) await until(isServing(admin, i))
  t.ok(await keyOf(reader, o), 'today he reads')
  await revoke(admin, guid, { from: o.person('physician') })
  await t.rejects(keyOf(reader, o), { code: 'MDM_NOT_FOUND' })

  await grid.stopKeyServer(2)
  await grid.stopSite()
  for (const back of putBack) await back()
  await Promise.all([grid.startKeyServer(0), grid.startKeyServer(1)])
  // n - m + 1 = 2 were put back: alone they hear one witness each, which is not enough to be sure.
  for (const i of [0, 1]) {
    for (const session of [reader, other, stranger]) {
      await t.rejects(shareOf(session, i, guid), isCatchingUp, 'whoever asks')
      await t.rejects(shareOf(session, i, newGuid()), isCatchingUp, 'and whatever is asked for')
    }
    t.match(await healthOf(stranger, i), { status: 'not ready', reasons: ['catching-up'] })
    const remove = { params: { guid, kid: newKid() } }
    await t.rejects(admin.keyServers[i]!.peer.call(deleteShares, remove), isCatchingUp)
  }
  await t.rejects(keyOf(reader, o), { code: 'MDM_BELOW_THRESHOLD' }, 'a get says that it may be tried again')

  await grid.startKeyServer(2)
  for (const i of [0, 1]) await until(isServing(admin, i))
  for (const i of [0, 1, 2]) await t.rejects(shareOf(reader, i, guid), { code: 'MDM_NOT_FOUND' })
  await t.rejects(keyOf(reader, o), { code: 'MDM_NOT_FOUND' })
  t.ok(await keyOf(other, o), 'who may read reads again')
  const caughtUp = (await auditOf(grid, 0)).findLast(({ event }) => event === 'statements-caught-up')
  t.match(caughtUp, { facts: { seq: 3, missed: 1 } })
  await grid.startSite()
  await (await openVolume(other, { guid })).close()
  await grant(admin, guid, { to: o.person('physician'), preset: 'process' })
  t.ok(await keyOf(reader, o), 'and lists can be changed again')
})

t.test('a ban of the site is learnt by a key server that was put back', async (t) => {
  const { grid, admin, guid } = o
  const reader = await o.as('scientist')
  const back = await snapshot(grid, 0)
  await until(isServing(admin, 0))
  const { banned } = await ban(o, 'scientist')
  await t.rejects(shareOf(reader, 1, guid), { code: banned })
  await back()
  await grid.startKeyServer(0)
  await until(isServing(admin, 0))
  await t.rejects(shareOf(reader, 0, guid), { code: banned })
})

t.test('a site that is trusted while the server runs is served at once', async (t) => {
  const fresh = await makeGrid(join(t.testdir(), 'grid'))
  const { dir, config } = fresh.made.keyServers[0]!
  await rm(join(dir, 'rosters'), { recursive: true })
  const server = await startKeyServer(config, { log: openLog({ level: 'silent' }) })
  t.teardown(() => server.stop())
  const roster = join(fresh.made.dir, 'ca', 'demo.roster.jws')
  await trustRoster(config, roster, rosterFingerprint(fresh.roster.jws))
  const lost = fresh.roster.body.keyServers.map(({ id }) => id as string).filter((id) => id !== server.id)
  for (const witness of ['site', ...lost])
    await serveWithoutWitness(config, { witness, reason: 'a new grid' })
  const peer = peerOf(t, fresh, fresh.users.admin!)
  await until(async () => (await peer.call(getHealth).catch(() => undefined))?.status === 'ready')
  t.pass('sooner than the next look at its witnesses')
})
