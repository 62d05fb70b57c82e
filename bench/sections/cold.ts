import { join } from 'node:path'
import { compare, type Row } from '../compare.ts'
import { gridOf, quotaForOne, seriesOf, shapeOf, withServers, type Section, type Way } from '../context.ts'
import { startPacs, type BenchPacs, type PacsName } from '../pacs.ts'
import { getscuRow, ourRow, wadoRow } from '../rows.ts'
import type { MadeSeries } from '../series.ts'
import { stepsOf } from '../steps.ts'

/** (d) beside (a), (b) and (c): cold gets of one kind of series, one way, from one PACS, and what a user does by hand. */
export function coldSection(kind: 'ct' | 'mr', way: Way, peer: PacsName): Section {
  const title = `${kind} ${way} ${peer}`
  return {
    name: title,
    async run(o) {
      const shape = shapeOf(o, kind)
      const series = await seriesOf(o, kind, shape)
      await withServers(async (t) => {
        const pacs = await startPacs(t, peer, series)
        const source = sourceOf(way, pacs)
        const grid = await gridOf(t, o, { source, quotaBytes: quotaForOne(shape) })
        const out = join(o.scratch, 'out')
        const ours = ourRow(`${title}: ours, cold`, grid, series, {
          ...{ installed: o.installed, out, pacs, cold: true },
        })
        for (const theirs of rivals(title, way, pacs, series, out))
          o.results.comparisons.push(
            await compare(title, ours, theirs, { pairs: o.pairs, runs: o.results.runs }),
          )
        o.results.steps[`ours, ${title}, cold`] = stepsOf(o.results.runs.of(ours.name))
      })
    },
  }
}

/** What site.json says of a PACS. */
export function sourceOf(way: Way, pacs: BenchPacs): string {
  return way === 'dimse' ? pacs.url : pacs.dicomweb!.replace(/^http:/, 'dicomweb+http:')
}

function rivals(title: string, way: Way, pacs: BenchPacs, series: readonly MadeSeries[], out: string): Row[] {
  if (way === 'dicomweb') return [wadoRow(`${title}: WADO-RS to files`, pacs, series, { out })]
  return [
    getscuRow(`${title}: getscu TCP_NODELAY`, pacs, series, { out, noDelay: true }),
    getscuRow(`${title}: getscu as shipped`, pacs, series, { out, noDelay: false }),
  ]
}
