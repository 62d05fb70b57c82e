import { link } from 'node:fs/promises'
import { join } from 'node:path'
import { compare } from '../compare.ts'
import { folderOf, gridOf, newFolder, seriesOf, shapeOf, withServers, type Section } from '../context.ts'
import { startNginx } from '../nginx.ts'
import { curlRow, ourRow } from '../rows.ts'
import { ONE_GIB, voxelBytes } from '../series.ts'
import { stepsOf } from '../steps.ts'

/** (e) beside (f): gets of a volume that the site has sealed, and the same bytes as a file of nginx. */
export const warmSection: Section = {
  name: '1 GB warm',
  async run(o) {
    const shape = o.quick ? shapeOf(o, 'ct') : ONE_GIB
    const series = await seriesOf(o, 'big', shape, 1)
    const source = await folderOf(o, series)
    await withServers(async (t) => {
      const nginx = await startNginx(t, await newFolder(o, 'nginx'))
      const grid = await gridOf(t, o, { source, quotaBytes: voxelBytes(shape) * 3 + 2 ** 20 })
      const out = join(o.scratch, 'out')
      const get = { installed: o.installed, out }
      const first = ourRow('1 GB: ours, cold, from a folder', grid, series, {
        ...{ ...get, cold: true },
        keep: (file) => link(file, join(nginx.www, 'v.nii')),
      })
      await o.results.runs.add(first, 0)
      const ours = ourRow('1 GB warm: ours', grid, series, { ...get, cold: false })
      const theirs = curlRow('1 GB warm: curl from nginx', nginx, 'v.nii', { out })
      o.results.comparisons.push(
        await compare('1 GB warm', ours, theirs, { pairs: o.pairs, runs: o.results.runs }),
      )
      o.results.steps['ours, 1 GB, warm'] = stepsOf(o.results.runs.of(ours.name))
    })
  },
}
