import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startPostgres } from '../../fixtures/postgres.ts'
import { sends, until as untilTrue } from '../deliver/fixture.ts'
import {
  alice,
  bob,
  finished,
  person,
  states,
  tokenOfTurl,
  volumesOf,
  world,
  type WorldOptions,
} from './fixture.ts'

const postgres = await startPostgres(t)

/** The same on both databases. */
function onBoth(title: string, run: (t: Test, o: Partial<WorldOptions>) => Promise<void>): void {
  t.test(`${title} (SQLite)`, (t) => run(t, {}))
  const skip = postgres === undefined ? 'PostgreSQL is not installed' : false
  t.test(`${title} (PostgreSQL)`, { skip }, (t) => run(t, { store: postgres!.create() }))
}

onBoth('tokens, URLs and pins outlive a restart, and no source is asked', async (t, o) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const before = await world(t, { volumes: volumesOf(3), now: () => now, ...o })
  const { containerBytes } = before.volumes[1]!.record
  const request = await finished(before, alice, await before.get(alice, 0, 1, 2))
  await before.requests.release(alice, 'get', request.token, [before.surl(1)])
  now = new Date(now.getTime() + 60_000)
  const after = await before.restart()
  const found = await after.requests.find(alice, 'get', request.token)
  t.strictSame(states(found), ['READY', 'RELEASED', 'READY'])
  t.strictSame(
    [found.files[0], found.files[2]],
    [request.files[0], request.files[2]],
    'the same URLs, until the same time',
  )
  t.strictSame(found.created, request.created)
  t.match(after.requests.turlOf(alice, tokenOfTurl(request.files[0]!.turl)), {
    guid: before.volumes[0]!.record.guid,
    version: 1,
  })
  t.equal(
    after.requests.turlOf(alice, tokenOfTurl(request.files[1]!.turl)),
    undefined,
    'what was let go is dead',
  )
  t.equal(after.requests.turlOf(bob, tokenOfTurl(request.files[0]!.turl)), undefined)
  t.strictSame([0, 1, 2].map(after.reads), [0, 0, 0])
  t.match(after.delivery.counts(), { spoolIdleBytes: containerBytes }, 'the others are pinned')
  await t.rejects(after.requests.find(bob, 'get', request.token), { code: 'MDM_NOT_FOUND' })
})

onBoth('what was in progress begins anew, and fails where the right has gone meanwhile', async (t, o) => {
  const stuck = new Promise<void>(() => {})
  const w = await world(t, {
    ...{ volumes: volumesOf(3), ...o },
    script: (volume) => sends(volume, [0, 1], () => stuck),
  })
  const { token } = await w.get(alice, 0, 1, 2)
  const [first, second] = w.volumes.map(({ record }) => record.guid)
  w.rights.read.set('*', new Set([first!]))
  w.rights.list.set('*', new Set([first!, second!]))
  const script: WorldOptions['script'] = (volume) => sends(volume, [0, 1])
  const after = await w.restart({ script })
  const { files } = await finished(after, alice, { token, kind: 'get' })
  t.match(files, [{ state: 'READY' }, { code: 'MDM_DENIED' }, { code: 'MDM_NOT_FOUND' }])
  t.strictSame([0, 1, 2].map(after.reads), [1, 0, 0], 'before its source is asked')
})

onBoth('a pin whose right has gone is let go, and a banned caller has none', async (t, o) => {
  const before = await world(t, { volumes: volumesOf(2), ...o })
  const mine = await finished(before, alice, await before.get(alice, 0))
  const theirs = await finished(before, bob, await before.get(bob, 1))
  before.rights.banned.add('CN=bob')
  before.rights.read.set('*', new Set())
  const after = await before.restart()
  t.match((await until(after, alice, mine.token)).files, [{ state: 'FAILED', code: 'MDM_DENIED' }])
  t.match((await until(after, bob, theirs.token)).files, [{ state: 'FAILED', code: 'MDM_BANNED' }])
  t.match(after.requests.counts(), { pinnedBytes: 0, openRequests: 0 })
})

onBoth('what waited before a restart and lies in the spool is asked for its right too', async (t, o) => {
  const stuck = new Promise<void>(() => {})
  const before = await world(t, {
    ...{ volumes: volumesOf(2), limits: { pinnedShare: 0.000_002 }, ...o },
    script: (volume, i) => sends(volume, [0, 1], i === 0 ? () => stuck : undefined),
  })
  await before.get(alice, 0)
  const { token } = await before.get(alice, 1)
  await finished(before, bob, await before.get(bob, 1))
  const { guid } = before.volumes[1]!.record
  before.rights.read.set('CN=bob', new Set([guid]))
  before.rights.read.set('*', new Set())
  const after = await before.restart({ limits: {} })
  await untilTrue(() => after.requests.counts().pinnedFiles === 1)
  t.match((await after.requests.find(alice, 'get', token)).files, [{ state: 'FAILED', code: 'MDM_DENIED' }])
})

onBoth('attributes of a proxy that has ended count no more', async (t, o) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const seen: string[][] = []
  const proxy = person('alice', { fqans: ['/vo'], notAfter: new Date('2026-01-01T01:00:00Z') })
  const before = await world(t, { volumes: volumesOf(1), now: () => now, ...o })
  const requireRight = (caller: typeof proxy) => caller.kind === 'user' && seen.push(caller.fqans)
  const { token } = await finished(before, proxy, await before.get(proxy, 0))
  now = new Date('2026-01-01T00:30:00Z')
  const still = await before.restart({ looked: requireRight })
  await until(still, alice, token, () => seen.length > 0)
  t.strictSame(seen.pop(), ['/vo'])
  await still.requests.extend(alice, 'get', token, { seconds: 7_200 })
  now = new Date('2026-01-01T01:30:00Z')
  const over = await still.restart({ looked: requireRight })
  await until(over, alice, token, () => seen.length > 0)
  t.strictSame(seen.pop(), [])
})

onBoth('a container that is gone is prepared again, for what is left of its pin', async (t, o) => {
  const before = await world(t, { volumes: volumesOf(1), ...o })
  const request = await finished(before, alice, await before.get(alice, 0))
  const elsewhere = join(before.dir, 'another-spool')
  const after = await before.restart({ spoolDir: elsewhere })
  const again = await finished(after, alice, request)
  t.strictSame(again.files, request.files)
  t.equal(after.reads(0), 1)
  // The name that it was filled under goes after it is told to be there.
  await untilTrue(() => readdirSync(elsewhere).length === 1)
  t.equal(readdirSync(elsewhere).length, 1)
})

onBoth('pins that ended and requests of long ago do not come back', async (t, o) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const before = await world(t, { volumes: volumesOf(1), now: () => now, ...o })
  const request = await finished(before, alice, await before.get(alice, 0))
  now = new Date('2026-01-01T01:00:00Z')
  const ended = await before.restart()
  t.strictSame(states(await ended.requests.find(alice, 'get', request.token)), ['EXPIRED'])
  t.match(ended.requests.counts(), { pinnedBytes: 0 })
  now = new Date('2026-01-02T00:10:00Z')
  const later = await ended.restart()
  await t.rejects(later.requests.find(alice, 'get', request.token), { code: 'MDM_NOT_FOUND' })
  await later.requests.close()
  t.strictSame(await later.db.selectFrom('srm_files').selectAll().execute(), [])
  t.strictSame(await later.db.selectFrom('srm_requests').selectAll().execute(), [])
})

t.test('a crash at any moment leaves whole requests, and what was told is kept', async (t) => {
  const gate = Promise.withResolvers<void>()
  const w = await world(t, {
    volumes: volumesOf(3),
    script: (volume, i) => sends(volume, [0, 1], i === 2 ? () => gate.promise : undefined),
  })
  const first = await finished(w, alice, await w.get(alice, 0, 1))
  const second = await w.get(alice, 2)
  await w.requests.release(alice, 'get', first.token, [w.surl(1)])
  const third = w.get(bob, 0, 1, 2)
  // what a killed process leaves: files as they are, of which nothing is closed
  const image = join(w.dir, 'image')
  for (const name of readdirSync(w.dir)) cpSync(join(w.dir, name), join(image, name), { recursive: true })
  gate.resolve()
  await third
  const after = await world(t, {
    ...{ volumes: w.volumes, rights: w.rights, dir: image },
    ...{ store: join(image, 'site.sqlite'), spoolDir: join(image, 'spool') },
  })
  t.strictSame(states(await after.requests.find(alice, 'get', first.token)), ['READY', 'RELEASED'])
  t.equal(after.requests.turlOf(alice, tokenOfTurl(first.files[1]!.turl)), undefined)
  t.strictSame(states(await finished(after, alice, second)), ['READY'])
  t.strictSame([0, 1, 2].map(after.reads), [0, 0, 1])
  const rows = await after.db
    .selectFrom('srm_requests')
    .leftJoin('srm_files', 'srm_files.token_digest', 'srm_requests.token_digest')
    .select(['srm_requests.token_digest', 'position'])
    .execute()
  const lengths = [...Map.groupBy(rows, (row) => row.token_digest).values()].map((files) => files.length)
  t.ok(
    lengths.every((length) => [2, 1, 3].includes(length)),
    'none has lost a file',
  )
})

onBoth(
  'what the store did not take is written once it does, and a release that was not is not told',
  async (t, o) => {
    const w = await world(t, { volumes: volumesOf(2), ...o })
    const { token, files } = await finished(w, alice, await w.get(alice, 0, 1))
    await w.db.schema.alterTable('srm_files').renameTo('elsewhere').execute()
    await t.rejects(w.requests.release(alice, 'get', token, [w.surl(0)]))
    t.equal(w.requests.turlOf(alice, tokenOfTurl(files[0]!.turl)), undefined, 'but it is let go at once')
    await w.db.schema.alterTable('elsewhere').renameTo('srm_files').execute()
    const stateOf = async (position: number) =>
      (
        await w.db
          .selectFrom('srm_files')
          .select('state')
          .where('position', '=', position)
          .executeTakeFirstOrThrow()
      ).state
    for (
      const end = performance.now() + 60_000;
      (await stateOf(0)) !== 'RELEASED' && performance.now() < end;
    )
      await new Promise((resolve) => setTimeout(resolve, 20))
    t.equal(await stateOf(0), 'RELEASED')
    t.equal(await stateOf(1), 'READY')
  },
)

/** A request once it has no open file, or once a condition holds. */
async function until(
  { requests }: Pick<Awaited<ReturnType<typeof world>>, 'requests'>,
  caller: typeof alice,
  token: string,
  condition?: () => boolean,
) {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    const request = await requests.find(caller, 'get', token)
    if (condition?.() ?? request.files.every(({ state }) => state !== 'READY')) return request
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('it did not happen within a minute')
}
