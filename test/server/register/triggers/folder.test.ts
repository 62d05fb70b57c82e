import { copyFile, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { query } from '../../../../packages/core/src/access/metadata.ts'
import { addSeries } from '../../site-grid.ts'
import { siteRows } from '../invariants.ts'
import { startLiveGrid, untilVolumes, until } from './live-grid.ts'

t.test('a series that comes into a watched folder is registered by itself, once it is whole', async (t) => {
  const grid = await startLiveGrid(t)
  const admin = await grid.as('admin')
  const { files } = await addSeries(grid.dir, 'outside', { slices: 6 })
  for (const [i, file] of files.entries()) await rename(file, join(grid.source, `${i}.dcm`))
  await untilVolumes(admin, 1)
  t.equal((await query(admin, 'modality=CT')).rows.length, 1)
  t.equal(siteRows(grid, 'select slice_index from slices').length, 6, 'one volume of all its slices')
  await until(async () => siteRows(grid, 'select * from notices').length === 0)
  t.match(siteRows(grid, 'select objects from series_counts'), [{ objects: 6 }])
  for (const i of files.keys()) await rm(join(grid.source, `${i}.dcm`))
  await until(async () => siteRows(grid, 'select * from volumes where gone_since is not null').length === 1)
})

t.test(
  'late slices and files written over make new versions; a folder made anew is watched again',
  async (t) => {
    const grid = await startLiveGrid(t)
    const admin = await grid.as('admin')
    const { files } = await addSeries(grid.dir, 'outside', { slices: 6 })
    const folder = join(grid.source, 'deep', 'deeper')
    await mkdir(folder, { recursive: true })
    for (const file of files.slice(0, 5)) await copyFile(file, join(folder, `${files.indexOf(file)}.dcm`))
    await untilVolumes(admin, 1)
    await copyFile(files[5]!, join(folder, '5.dcm'))
    await untilVolumes(admin, 1, 2)
    const moved = await addSeries(grid.dir, 'moved', {
      ...{ slices: 6, seed: 'outside', origin: [0, 0, 50] as const },
    })
    t.equal(siteRows(grid, 'select slice_index from slices where version = 2').length, 6)
    await rm(join(grid.source, 'deep'), { recursive: true })
    await mkdir(folder, { recursive: true })
    for (const [i, file] of moved.files.entries()) await copyFile(file, join(folder, `${i}.dcm`))
    await untilVolumes(admin, 1, 3)
    t.match(siteRows(grid, 'select position from slices where version = 3 order by slice_index'), [
      { position: '[0,0,50]' },
    ])
  },
)

t.test('what a key server keeps waiting is in the journal, and goes on without the trigger', async (t) => {
  const grid = await startLiveGrid(t)
  const admin = await grid.as('admin')
  await grid.stopKeyServer(2)
  await addSeries(grid.source, 'waits')
  await until(async () => siteRows(grid, "select * from journal where state = 'WAITING'").length === 1)
  await until(async () => siteRows(grid, 'select * from notices').length === 0)
  t.same(siteRows(grid, 'select * from volumes'), [])
  await grid.startKeyServer(2)
  await untilVolumes(admin, 1)
})
