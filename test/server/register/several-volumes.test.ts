import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openVolume } from '../../../packages/core/src/access/decrypt.ts'
import { list } from '../../../packages/core/src/access/metadata.ts'
import type { RegisterReport } from '../../../packages/core/src/access/register.ts'
import type { Session } from '../../../packages/core/src/access/session.ts'
import type { VolumeRow } from '../../../packages/core/src/wire/site.ts'
import { addEchoes, echoVoxel } from '../../fixtures/echoes.ts'
import { addSeries, registerAll, startSiteGrid, until } from '../site-grid.ts'
import { checkInvariants, siteRows } from './invariants.ts'

t.test('a series of two echoes is two volumes, each with its own voxels', async (t) => {
  const { grid, admin } = await echoGrid(t)
  await addEchoes(grid.source, 'e')
  const { registered } = await look(admin)
  t.equal(registered.length, 2)
  for (const [echo, { guid }] of registered.entries()) {
    const volume = await openVolume(admin, { guid })
    t.equal((await volume.slice(2)).readInt16LE(0), echoVoxel(echo, 0, 0, 2))
    await volume.close()
  }
  const again = await look(admin)
  t.strictSame([again.registered, again.already.length, again.gone], [[], 2, []])
  await checkInvariants(t, grid, admin, 2)
})

t.test('a volume keeps its GUID when its series turns out to hold another one', async (t) => {
  const { grid, admin } = await echoGrid(t)
  await addEchoes(grid.source, 'e', { echoes: [0] })
  const [alone] = (await look(admin)).registered
  await addEchoes(grid.source, 'e', { echoes: [1] })
  const both = await look(admin)
  t.strictSame(both.already, [{ guid: alone!.guid }], 'the same slices are the same volume')
  t.equal(both.registered.length, 1)
  t.strictSame(both.gone, [])
  await checkInvariants(t, grid, admin, 2)

  await t.test('and when the other one leaves, which then is gone, and comes back as it was', async (t) => {
    const away = join(grid.dir, 'away')
    await rename(join(grid.source, 'e', 'echo-1'), away)
    const left = await look(admin)
    t.strictSame([left.already, left.registered], [[{ guid: alone!.guid }], []])
    t.strictSame(left.gone, [{ guid: both.registered[0]!.guid }])
    await rename(away, join(grid.source, 'e', 'echo-1'))
    const back = await look(admin)
    t.strictSame([back.already, back.registered], [[{ guid: alone!.guid }], []])
    t.strictSame(back.returned, [{ guid: both.registered[0]!.guid }])
    await checkInvariants(t, grid, admin, 2)
  })
})

t.test('late slices of both echoes are the next version of the first and a new volume', async (t) => {
  const { grid, admin } = await echoGrid(t)
  await addEchoes(grid.source, 'e', { echoes: [0], slices: 3 })
  const [alone] = (await look(admin)).registered
  await addEchoes(grid.source, 'e', { slices: 5 })
  const { registered } = await look(admin)
  t.strictSame(
    registered.map(({ guid, version }) => [guid === alone!.guid, version]),
    [
      [true, 2],
      [false, 1],
    ],
  )
})

t.test('a volume that none of the new ones continues is gone, and returns with its content', async (t) => {
  const { grid, admin } = await echoGrid(t)
  await addEchoes(grid.source, 'e', { echoes: [0] })
  const [first] = (await look(admin)).registered
  await rm(join(grid.source, 'e', 'echo-0'), { recursive: true })
  await addEchoes(grid.source, 'e', { echoes: [1, 2] })
  const { registered, gone } = await look(admin)
  t.equal(registered.length, 2)
  t.strictSame(gone, [{ guid: first!.guid }])
  const rows = await rowsOf(admin)
  t.strictSame(
    rows.filter((row) => row.goneSince !== undefined).map(({ guid }) => guid),
    [first!.guid],
  )
})

t.test('a series of several volumes is found again by its handle', async (t) => {
  const { grid, admin } = await echoGrid(t)
  await addEchoes(grid.source, 'e')
  await addSeries(grid.source, 'other', { modality: 'MR', attributes: () => ({ EchoTime: 5 }) })
  const handles = (await registerAll(admin)).flatMap((event) =>
    event.type === 'registered' && event.series !== undefined ? [event.series] : [],
  )
  t.equal(new Set(handles).size, 2, 'the volumes of one series have one handle')
  const [handle] = handles.filter((one) => handles.filter((other) => other === one).length === 2)
  const events = await registerAll(admin, { series: [handle!] })
  t.match(events.at(-1), { type: 'done', counts: { already: 2, failed: 0 } })
  t.equal(siteRows(grid, 'select volume_key from journal').length, 4, 'a row for each volume and set')

  await t.test('and is not read again where the source has as many objects', async (t) => {
    const known = await registerAll(admin, { where: 'modality=MR', recheck: false })
    t.match(known.at(-1), { type: 'done', counts: { already: 3 } })
  })
})

t.test('a series that stops between its volumes goes on where it was', async (t) => {
  let last: string | undefined
  const { grid, admin } = await echoGrid(t, (reached) => {
    if (reached !== last) return
    last = undefined
    throw new Error(`stopped after ${reached}`)
  })
  for (const [i, step] of (['J2', 'J5', 'J7'] as const).entries()) {
    await addEchoes(grid.source, `e${i}`)
    last = step
    t.match((await registerAll(admin)).at(-1), { type: 'error', code: 'MDM_INTERNAL' })
    await until(async () => (await rowsOf(admin)).length === 2 * (i + 1))
    await until(async () => siteRows(grid, `select state from journal where state <> 'ACTIVE'`).length === 0)
  }
  await checkInvariants(t, grid, admin, 6)
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

async function rowsOf(admin: Session): Promise<VolumeRow[]> {
  const rows: VolumeRow[] = []
  for await (const row of list(admin)) rows.push(row)
  return rows
}
