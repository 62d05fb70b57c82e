import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { grant } from '../../../packages/core/src/access/acl.ts'
import { list, query, volumeRow } from '../../../packages/core/src/access/metadata.ts'
import type { RegisterReport } from '../../../packages/core/src/access/register.ts'
import type { Session } from '../../../packages/core/src/access/session.ts'
import { setNamed, sets } from '../../../packages/core/src/access/sets.ts'
import type { SetRow } from '../../../packages/core/src/wire/sets.ts'
import { checkSite } from '../../../packages/server/src/fsck/site.ts'
import { addEchoes, ECHO_TIMES } from '../../fixtures/echoes.ts'
import { registerAll, startSiteGrid, until } from '../site-grid.ts'
import { auditOf, changeSite, checkInvariants, siteRows } from './invariants.ts'

t.test('the echoes of a series are a set, in order, with the echo times', async (t) => {
  const { grid, admin } = await echoGrid(t)
  await addEchoes(grid.source, 'e', { echoes: [0, 1, 2] })
  const { registered, sets: made } = await look(admin)
  t.match(made, [{ version: 1, source: 'folder', axis: 'echo', volumes: 3 }])
  const { guid } = made[0]!
  const set = await setNamed(admin, { guid })
  t.match(set, {
    guid,
    version: 1,
    latest: 1,
    axis: 'echo',
    unit: 'ms',
    values: ECHO_TIMES,
    shape: [8, 6, 4],
  })
  t.equal(set.realValues, false)
  t.strictSame(
    set.members,
    registered.map((volume) => ({ guid: volume.guid, version: 1 })),
  )
  t.strictSame(
    (await collect(list(admin))).map((row) => row.set),
    [guid, guid, guid],
    'each volume says which set it is in',
  )
  t.equal((await volumeRow(admin, { guid: registered[0]!.guid })).set, guid)
  await t.rejects(volumeRow(admin, { guid }), { code: 'MDM_USAGE', details: { set: guid } })
  const again = await look(admin)
  t.strictSame([again.sets, again.registered], [[], []], 'it is known from then on')
  await checkInvariants(t, grid, admin, 3)
  t.equal(
    (await auditOf(grid.provisioned.site.dir)).filter(({ event }) => event === 'set-registered').length,
    1,
  )

  await t.test('queries find volumes by it', async (t) => {
    const found = await query(admin, `set=${guid} and echo_time>=30`)
    t.strictSame(
      found.rows.map((row) => [row['guid'], row['set']]).toSorted(),
      registered
        .slice(1)
        .map((volume) => [volume.guid, guid])
        .toSorted(),
    )
    t.strictSame((await query(admin, `set!=${guid}`)).rows, [])
    await t.rejects(query(admin, `set<${guid}`), { code: 'MDM_QUERY' })
  })

  await t.test('fsck looks at it', async (t) => {
    const { config } = grid.provisioned.site
    const found = async () => (await checkSite(config, { offline: true })).findings
    t.strictSame(await found(), [])
    changeSite(grid, 'delete from set_members where position = 1')
    t.match(await found(), [{ name: 'set-altered', subject: `${guid}@1` }])
  })
})

t.test('a set that gets another member, or whose member changes, has a new version', async (t) => {
  const { grid, admin } = await echoGrid(t)
  await addEchoes(grid.source, 'e')
  const [first] = (await look(admin)).sets
  await addEchoes(grid.source, 'e', { echoes: [2] })
  t.match((await look(admin)).sets, [{ guid: first!.guid, version: 2, volumes: 3 }])
  await addEchoes(grid.source, 'e', { echoes: [0, 1, 2], slices: 5 })
  t.match((await look(admin)).sets, [{ guid: first!.guid, version: 3, volumes: 3 }])
  const versions = await Promise.all(
    [1, 2, 3].map((version) => setNamed(admin, { guid: first!.guid, version })),
  )
  t.strictSame(
    versions.map(({ members, shape }) => [members.map(({ version }) => version), shape]),
    [
      [
        [1, 1],
        [8, 6, 4],
      ],
      [
        [1, 1, 1],
        [8, 6, 4],
      ],
      [
        [2, 2, 2],
        [8, 6, 5],
      ],
    ],
    'and each version names what it named',
  )
  await t.rejects(setNamed(admin, { guid: first!.guid, version: 4 }), { code: 'MDM_NOT_FOUND' })

  await t.test('a set whose member left is gone, and the same when it is back', async (t) => {
    const away = join(grid.dir, 'away')
    await rename(join(grid.source, 'e'), away)
    await look(admin)
    t.type((await setNamed(admin, { guid: first!.guid })).goneSince, 'string')
    t.strictSame(
      (await collect(list(admin))).map((row) => row.set),
      [undefined, undefined, undefined],
    )
    await rename(away, join(grid.source, 'e'))
    t.strictSame((await look(admin)).sets, [])
    t.match(await setNamed(admin, { guid: first!.guid }), { version: 3, goneSince: undefined })
  })
})

t.test('who may not list every member knows of no set', async (t) => {
  const { grid, admin } = await echoGrid(t)
  await addEchoes(grid.source, 'e')
  const report = await look(admin)
  const [first, second] = report.registered
  const { guid } = report.sets[0]!
  const scientist = await grid.as('scientist')
  const { dn } = scientist.credential.identity
  const to = { kind: 'user', dn, issuer: admin.credential.identity.issuer } as const
  await grant(admin, first!.guid, { to, preset: 'process' })
  t.strictSame(await collect(sets(scientist)), [])
  await t.rejects(setNamed(scientist, { guid }), { code: 'MDM_NOT_FOUND' })
  await t.rejects(setNamed(scientist, { guid, version: 1 }), { code: 'MDM_NOT_FOUND' })
  await t.rejects(volumeRow(scientist, { guid }), { code: 'MDM_NOT_FOUND' })
  t.equal((await volumeRow(scientist, { guid: first!.guid })).set, undefined)
  t.strictSame((await query(scientist, `set=${guid}`)).rows, [])

  await grant(admin, second!.guid, { to, preset: 'replicate' })
  t.match(await setNamed(scientist, { guid }), { axis: 'echo', values: undefined, shape: undefined })
  await grant(admin, second!.guid, { to, preset: 'process' })
  t.match(await collect<SetRow>(sets(scientist)), [{ guid, values: [10, 30], shape: [8, 6, 4] }])
  t.equal((await volumeRow(scientist, { guid: first!.guid })).set, guid)

  await t.test('and sees the version of which he may', async (t) => {
    await addEchoes(grid.source, 'e', { echoes: [2] })
    await look(admin)
    t.match(await setNamed(scientist, { guid }), { version: 1, latest: 2, volumes: 2 })
    await t.rejects(setNamed(scientist, { guid, version: 2 }), { code: 'MDM_NOT_FOUND' })
  })
})

t.test('a registration that stops before a set is written ends it by itself', async (t) => {
  let last: string | undefined = 'J7'
  let ends = 0
  const { grid, admin } = await echoGrid(t, (reached) => {
    if (reached !== last || (reached === 'J7' && ++ends < 2)) return
    last = last === 'J7' ? 'S1' : undefined
    throw new Error(`stopped after ${reached}`)
  })
  await addEchoes(grid.source, 'e')
  t.match((await registerAll(admin)).at(-1), { type: 'error' }, 'after its last volume')
  await until(async () => (await collect(sets(admin))).length === 1)
  await until(async () => siteRows(grid, `select state from journal where state <> 'ACTIVE'`).length === 0)
  await until(async () => siteRows(grid, 'select event_id from outbox').length === 0)
  await checkInvariants(t, grid, admin, 2)
  t.equal(last, undefined, 'and once more after the set')
  const told = (await auditOf(grid.provisioned.site.dir)).filter(({ event }) => event === 'set-registered')
  t.equal(told.length, 1)
})

async function echoGrid(t: Pick<Test, 'teardown'>, after?: (step: string) => void) {
  const grid = await startSiteGrid(t, {
    series: [],
    site: after === undefined ? {} : { after },
  })
  return { grid, admin: await grid.as('admin') }
}

async function look(admin: Session): Promise<RegisterReport> {
  const last = (await registerAll(admin)).at(-1)
  if (last?.type !== 'done') throw new Error(`the look ended with ${JSON.stringify(last)}`)
  return last.report
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
