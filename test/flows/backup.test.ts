import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { grant, revoke } from '../../packages/core/src/access/acl.ts'
import { openVolume } from '../../packages/core/src/access/decrypt.ts'
import { fetchFileKey } from '../../packages/core/src/access/file-key.ts'
import { list, metadataOf, volumeRow } from '../../packages/core/src/access/metadata.ts'
import { setNamed } from '../../packages/core/src/access/sets.ts'
import type { Session } from '../../packages/core/src/access/session.ts'
import type { Principal } from '../../packages/core/src/acl/principal.ts'
import { Kid, type Guid } from '../../packages/core/src/names.ts'
import { getHealth } from '../../packages/core/src/wire/common.ts'
import { createBackupKey } from '../../packages/server/src/backup/age.ts'
import { backUp } from '../../packages/server/src/backup/back-up.ts'
import { restore } from '../../packages/server/src/backup/restore.ts'
import { addEchoes } from '../fixtures/echoes.ts'
import { checkInvariants, siteRows } from '../server/register/invariants.ts'
import { addSeries, registerAll, startSiteGrid, until, type User } from '../server/site-grid.ts'

const PATIENT = 'CANARY^PATIENT^NAME'
const patient = { name: PATIENT, id: 'CANARY-1' }
/** UIDs of series, by the name of their folder */
const series = new Map<string, unknown>()
const grid = await startSiteGrid(t, { series: [{ patient }] })
const admin = await grid.as('admin')
const { dn, issuer } = admin.credential.identity
const person = (user: User): Principal => ({
  ...{ kind: 'user', issuer },
  dn: dn.replace('admin', user) as typeof dn,
})
const key = await createBackupKey()
const identity = join(grid.dir, 'backup.key')
writeFileSync(identity, `# kept elsewhere\n${key.identity}\n`)
const recipients = [key.recipient]
const { site, keyServers } = grid.provisioned
const backupOf = (name: string) => join(grid.dir, `${name}.age`)

const guids = async (): Promise<Guid[]> => {
  const found: Guid[] = []
  for await (const row of list(admin)) found.push(row.guid)
  return found.toSorted()
}
const kidOf = (guid: Guid, version = 1) =>
  Kid.parse(
    siteRows(grid, `select kid from versions where guid = '${guid}' and version = ${version}`)[0]?.kid,
  )
const isReady = (session: Session, i: number) => async () =>
  (await session.keyServers[i]!.peer.call(getHealth)).status === 'ready'

await registerAll(admin)
const [first] = (await guids()) as [Guid]
await grant(admin, first, { to: person('physician'), preset: 'clinical' })
await grant(admin, first, { to: person('scientist'), preset: 'process' })
const before = readdirSync(tmpdir()).length

t.test('a server is backed up while it runs, and nothing of it can be read without the key', async (t) => {
  const made = [
    await backUp('site', site.config, { recipients, file: backupOf('site') }),
    await backUp('keys', keyServers[0]!.config, { recipients, file: backupOf('keys-0') }),
    await backUp('keys', keyServers[1]!.config, { recipients, file: backupOf('keys-1') }),
  ]
  for (const { rows, audit } of made) t.ok(rows > 0 && audit.records > 0)
  t.equal(readdirSync(tmpdir()).length, before, 'no temporary file is left')
  const secrets = [
    PATIENT,
    ...['pseudonym.key', 'signing.key'].map((name) => readFileSync(join(site.dir, name))),
    readFileSync(join(keyServers[0]!.dir, 'store.key')),
    readFileSync(join(keyServers[0]!.dir, 'identity.key')),
    first,
    key.identity,
  ]
  for (const name of ['site', 'keys-0', 'keys-1']) {
    t.equal(statSync(backupOf(name)).mode & 0o777, 0o600)
    const bytes = readFileSync(backupOf(name))
    t.ok(bytes.subarray(0, 21).equals(Buffer.from('age-encryption.org/v1')))
    for (const secret of secrets) t.notOk(bytes.includes(secret))
  }
  const again = { recipients, file: backupOf('site') }
  await t.rejects(backUp('site', site.config, again), { code: 'MDM_CONFLICT' }, 'no backup is overwritten')
  const nobody = { recipients: ['age1nobody'], file: backupOf('none') }
  await t.rejects(backUp('site', site.config, nobody), { code: 'MDM_USAGE' })
  t.notOk(existsSync(backupOf('none')))
})

t.test('what is not whole, of another kind or not for this key is not restored', async (t) => {
  const o = { from: backupOf('keys-0'), identity, dir: join(grid.dir, 'nothing') }
  const bytes = readFileSync(o.from)
  const other = join(grid.dir, 'other.key')
  writeFileSync(other, (await createBackupKey()).identity)
  const flipped = Buffer.from(bytes)
  flipped[bytes.length - 40]! ^= 1
  const bad = join(grid.dir, 'bad.age')
  for (const content of [bytes.subarray(0, bytes.length - 40), flipped, Buffer.from('nothing')]) {
    writeFileSync(bad, content)
    await t.rejects(restore('keys', { ...o, from: bad }), { code: 'MDM_INTEGRITY' })
  }
  await t.rejects(restore('keys', { ...o, identity: other }), { code: 'MDM_INTEGRITY' })
  await t.rejects(restore('keys', { ...o, identity: bad }), { code: 'MDM_USAGE' })
  await t.rejects(restore('site', o), { code: 'MDM_INTEGRITY' })
  await t.rejects(restore('keys', { ...o, dir: keyServers[0]!.dir }), { code: 'MDM_CONFLICT' })
  t.notOk(existsSync(o.dir), 'and nothing is there')
  t.strictSame(
    readdirSync(grid.dir).filter((name) => name.includes('restoring')),
    [],
  )
})

t.test('every table of a store is in its backup, but what storage clients asked for', async (t) => {
  const { SITE_TABLES, KEYS_TABLES, SITE_LEFT_OUT } =
    await import('../../packages/server/src/backup/tables.ts')
  for (const [file, tables] of [
    [join(site.dir, 'site.sqlite'), [...Object.keys(SITE_TABLES), ...SITE_LEFT_OUT]],
    [join(keyServers[0]!.dir, 'keys.sqlite'), Object.keys(KEYS_TABLES)],
  ] as const) {
    if (!existsSync(file)) continue
    const db = new DatabaseSync(file, { readOnly: true })
    const names = db.prepare(`select name from sqlite_master where type = 'table'`).all()
    db.close()
    t.strictSame(
      names
        .map(({ name }) => String(name))
        .filter((name) => !name.startsWith('kysely_'))
        .toSorted(),
      tables.toSorted(),
    )
  }
})

t.test(
  'a restored site finds what was registered since, under the GUIDs it had, and doubles nothing',
  async (t) => {
    for (const name of ['later', 'changed'])
      series.set(name, (await addSeries(grid.source, name, { patient })).series)
    await registerAll(admin)
    const today = await guids()
    t.equal(today.length, 3)
    const [later, changed] = today.filter((guid) => guid !== first) as [Guid, Guid]
    for (const guid of [later, changed])
      await grant(admin, guid, { to: person('scientist'), preset: 'process' })
    await revoke(admin, first, { from: person('physician') })
    const kids = new Map(today.map((guid) => [guid, kidOf(guid)]))
    const lfns = new Map<Guid, string>()
    for (const guid of today) lfns.set(guid, (await volumeRow(admin, { guid })).lfn)
    const seriesOf = new Map(
      siteRows(grid, 'select guid, series from volumes').map((row) => [row.guid as Guid, row.series]),
    )
    const scientist = await grid.as('scientist')
    await fetchFileKey(scientist, later, kids.get(later)!, {})

    // The disk of the site burns.
    await grid.stopSite()
    rmSync(site.dir, { recursive: true })
    const restored = await restore('site', { from: backupOf('site'), identity, dir: site.dir })
    t.equal(restored.config, site.config)
    t.equal(statSync(site.dir).mode & 0o777, 0o700)
    t.equal(statSync(join(site.dir, 'pseudonym.key')).mode & 0o777, 0o400)

    for (const i of [0, 1, 2]) await grid.stopKeyServer(i)
    await grid.startSite()
    await t.rejects(
      volumeRow(scientist, { guid: first }),
      { code: 'MDM_CATCHING_UP' },
      'it answers no user yet',
    )
    await Promise.all([0, 1, 2].map((i) => grid.startKeyServer(i)))
    await until(async () => (await guids().catch(() => [])).length === 3)

    t.strictSame(await guids(), today, 'the GUIDs that researchers hold')
    for (const guid of today) {
      t.equal(kidOf(guid), kids.get(guid), 'with the keys that readers hold')
      t.match(siteRows(grid, `select series from volumes where guid = '${guid}'`), [
        { series: seriesOf.get(guid) },
      ])
      if (guid !== first)
        t.not((await volumeRow(admin, { guid })).lfn, lfns.get(guid), 'an LFN never names another')
    }
    t.match((await registerAll(admin)).at(-1), { type: 'done', report: { registered: [], refused: [] } })
    const physician = await grid.as('physician')
    await t.rejects(fetchFileKey(physician, first, kids.get(first)!, {}), { code: 'MDM_NOT_FOUND' })
    const lists = siteRows(grid, `select seq from access_lists where scope = '${first}' and object = 'key'`)
    t.match(lists, [{ seq: 3 }], 'the site has the key list of today')
    t.ok(
      await fetchFileKey(scientist, later, kids.get(later)!, {}),
      'the key list holds what was granted since',
    )
    await t.rejects(metadataOf(scientist, { guid: later }), { code: 'MDM_NOT_FOUND' })
    await grant(admin, later, { to: person('scientist'), preset: 'process' })
    await (await openVolume(scientist, { guid: later })).close()
    await checkInvariants(t, grid, admin, 3)
  },
)

t.test('a series that changed since keeps its GUID, and no version names two contents', async (t) => {
  const [row] = siteRows(grid, `select guid, series from volumes order by lfn desc limit 1`)
  const changed = row!.guid as Guid
  const kid = kidOf(changed)
  await grid.stopSite()
  rmSync(site.dir, { recursive: true })
  await restore('site', { from: backupOf('site'), identity, dir: site.dir })
  const name = ['later', 'changed'].find((of) => series.get(of) === row!.series)!
  rmSync(join(grid.source, name), { recursive: true })
  await addSeries(grid.source, name, { patient, slices: 5 })
  await grid.startSite()
  await until(async () => (await guids().catch(() => [])).length === 3)
  t.match(siteRows(grid, `select latest from volumes where guid = '${changed}'`), [{ latest: 2 }])
  t.not(kidOf(changed, 2), kid)
  t.strictSame(siteRows(grid, `select kid from versions where guid = '${changed}' and version = 1`), [])
  t.match((await registerAll(admin)).at(-1), { type: 'done', report: { registered: [], refused: [] } })
})

t.test('volumes whose labels changed since keep their GUIDs, and so does their set', async (t) => {
  // Registered as the only one of its series, the first is one of two when it is looked for again.
  for (const echoes of [[0], [1]]) {
    await addEchoes(grid.source, 'echoes', { echoes })
    await registerAll(admin)
  }
  const today = await guids()
  const [set] = siteRows(grid, 'select guid from sets')
  const { members } = await setNamed(admin, { guid: set!.guid as Guid })
  await grid.stopSite()
  rmSync(site.dir, { recursive: true })
  await restore('site', { from: backupOf('site'), identity, dir: site.dir })
  await grid.startSite()
  await until(async () => (await guids().catch(() => [])).length === today.length)
  await until(async () => siteRows(grid, 'select guid from sets').length === 1)
  t.strictSame(await guids(), today)
  const again = await setNamed(admin, { guid: set!.guid as Guid })
  t.strictSame(again.members, members)
  t.equal(again.version, 1001, 'further than any version that somebody may hold')
  t.match((await registerAll(admin)).at(-1), { type: 'done', report: { registered: [], sets: [], gone: [] } })
})

t.test('key servers restored from a backup serve only what holds today', async (t) => {
  const [scientist, physician] = [await grid.as('scientist'), await grid.as('physician')]
  const kid = kidOf(first)
  for (const i of [0, 1]) {
    await grid.stopKeyServer(i)
    rmSync(keyServers[i]!.dir, { recursive: true })
    await restore('keys', { from: backupOf(`keys-${i}`), identity, dir: keyServers[i]!.dir })
  }
  await grid.stopKeyServer(2)
  await Promise.all([0, 1].map((i) => grid.startKeyServer(i)))
  // Two of three witnesses would do after an ordinary start; after a restore all are asked.
  for (const i of [0, 1]) t.notOk(await isReady(admin, i)())
  for (const session of [scientist, physician])
    await t.rejects(fetchFileKey(session, first, kid, {}), { code: 'MDM_BELOW_THRESHOLD' })
  await grid.startKeyServer(2)
  for (const i of [0, 1]) await until(isReady(admin, i))
  await t.rejects(fetchFileKey(physician, first, kid, {}), { code: 'MDM_NOT_FOUND' })
  t.ok(await fetchFileKey(scientist, first, kid, {}))
})
