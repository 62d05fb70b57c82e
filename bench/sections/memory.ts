import { join } from 'node:path'
import { MEMORY_BAR_MIB } from '../bars.ts'
import { gridOf, quotaForOne, seriesOf, shapeOf, withServers, type Section } from '../context.ts'
import type { Usage } from '../measure.ts'
import { startPacs } from '../pacs.ts'
import { ourRow } from '../rows.ts'
import { median, quartiles } from '../statistics.ts'
import { sourceOf } from './cold.ts'

/** Gets of each size; the first of each only warms up. */
const GETS = 5

/** Peak memory of cold gets, and what 4 times the slices add to it. */
export const memorySection: Section = {
  name: 'memory',
  async run(o) {
    const small = shapeOf(o, 'ct')
    const large = { ...small, slices: 4 * small.slices }
    const peaks: Record<'small' | 'large', Usage[]> = { small: [], large: [] }
    for (const [size, shape] of Object.entries({ small, large }) as ['small' | 'large', typeof small][]) {
      const series = await seriesOf(o, 'ct', shape)
      // the same process gets volumes of one size only, since what a heap has grown to stays
      await withServers(async (t) => {
        const pacs = await startPacs(t, 'orthanc', series)
        const source = sourceOf('dimse', pacs)
        const grid = await gridOf(t, o, { source, quotaBytes: quotaForOne(shape) })
        const get = { installed: o.installed, out: join(o.scratch, 'out'), pacs, cold: true }
        const row = ourRow(`memory: ours, cold, ${shape.slices} slices`, grid, series, get)
        for (let turn = 0; turn < GETS; turn++) peaks[size].push(await o.results.runs.add(row, turn))
      })
    }
    const of = { site: (u: Usage) => u.serverPeakMib['site']!, client: (u: Usage) => u.peakMib }
    for (const [name, peak] of Object.entries(of) as ['site' | 'client', (u: Usage) => number][]) {
      const base = median(peaks.small.slice(1).map(peak))
      const addedMib = quartiles(peaks.large.slice(1).map((usage) => peak(usage) - base))
      const met = addedMib.median <= MEMORY_BAR_MIB
      o.results.memory.push({ name, baseMib: base, addedMib, bar: MEMORY_BAR_MIB, met })
    }
  },
}
