import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { writeSeries } from '../../packages/server/src/dicom/dcmjs/write-series.ts'
import { startGrid } from '../fixtures/grid.ts'
import { restartSite } from '../fixtures/site-process.ts'

t.test(
  'files that come into the folder of a live site are found by mdm query, without mdm register',
  async (t) => {
    const source = t.testdir()
    const spacing: [number, number, number] = [1, 1, 2]
    const small = { modality: 'MR' as const, columns: 8, rows: 6, slices: 4, spacing }
    await writeSeries(join(source, 'before'), {
      ...small,
      spacing: [1, 1, 2],
      seed: 'before',
      voxel: () => 1,
    })
    const grid = await startGrid(t, { source, live: true })
    await restartSite(grid, async () => {
      const file = join(grid.site.dir, 'site.json')
      const config = JSON.parse(await readFile(file, 'utf8'))
      config.sources[0].quietSeconds = 1
      await writeFile(file, JSON.stringify(config))
    })
    const found = async (count: number): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        // Before the first volume there is no column that anybody may read.
        const { code, json } = await grid.mdm('admin', ['query', 'modality=MR', '--json'])
        if (code === 0 && json.rows.length === count) return
        await sleep(500)
      }
      t.fail(`mdm query does not find ${count}`)
    }
    await found(1)
    await writeSeries(join(source, 'later'), { ...small, seed: 'later', voxel: () => 1 })
    await found(2)
    const registered = await grid.ok('admin', ['register', '--json'])
    t.match(registered.json, { registered: [], already: { length: 2 } })
  },
)
