import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Runs } from './compare.ts'
import type { Context, Section } from './context.ts'
import { install } from './install.ts'
import { markdown } from './report/markdown.ts'
import { missed, reportOf } from './report/report.ts'
import { stepsSvg } from './report/steps-svg.ts'
import { coldSection } from './sections/cold.ts'
import { decodeSection } from './sections/decode.ts'
import { gridSection } from './sections/grid.ts'
import { memorySection } from './sections/memory.ts'
import { securitySection } from './sections/security.ts'
import { startUpSection } from './sections/start-up.ts'
import { warmSection } from './sections/warm.ts'

const SECTIONS: readonly Section[] = [
  startUpSection,
  coldSection('ct', 'dimse', 'orthanc'),
  coldSection('ct', 'dicomweb', 'orthanc'),
  coldSection('ct', 'dimse', 'dcmqrscp'),
  coldSection('mr', 'dimse', 'orthanc'),
  coldSection('mr', 'dicomweb', 'orthanc'),
  coldSection('mr', 'dimse', 'dcmqrscp'),
  warmSection,
  gridSection,
  decodeSection,
  memorySection,
  securitySection,
]

/** Enough to see that every kind of row works. */
const QUICK = [
  'start-up',
  'ct dimse orthanc',
  'ct dicomweb orthanc',
  '1 GB warm',
  'grid',
  'decode',
  'security',
]

const USAGE = `npm run bench -- [--check] [--only SECTION]... [--pairs N] [--quick] [--json FILE] [--svg FILE] [--dir DIR]

Paired comparisons of cold and warm gets with what a user does by hand; the report is Markdown on stdout.

  --check         exit 1 when a bar of bench/bars.ts is missed
  --only SECTION  run only sections whose name contains this: ${SECTIONS.map(({ name }) => name).join(', ')}
  --pairs N       pairs of each comparison; 9 unless told
  --quick         one pair of small series, in under 30 s: shows that all of it works, and no bar is looked at
  --json FILE     the report with every run as JSON
  --svg FILE      where the time goes, beside Figure 4 of the paper; .bench/steps.svg unless told
  --dir DIR       scratch, inside the checkout: series are kept there for the next run; .bench unless told
`

const root = resolve(import.meta.dirname, '..')
const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    pairs: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    svg: { type: 'string' },
    dir: { type: 'string', default: join(root, '.bench') },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const wanted = values.only.length > 0 ? values.only : values.quick ? QUICK : ['']
const chosen = SECTIONS.filter(({ name }) => wanted.some((part) => name.includes(part)))
const pairs = Number(values.pairs ?? (values.quick ? 1 : 9))
if (!Number.isInteger(pairs) || pairs < 1 || chosen.length === 0) {
  process.stderr.write(USAGE)
  process.exit(2)
}

const scratch = resolve(values.dir)
await mkdir(scratch, { recursive: true })
// what an installed mdm keeps between its starts is no matter of whoever runs the bench
process.env['XDG_CACHE_HOME'] = join(scratch, 'cache')
const installed = await install(root, scratch)
const results = { runs: new Runs(), comparisons: [], steps: {}, memory: [], security: [] }
const context: Context = {
  ...{ installed, scratch, pairs, results },
  quick: values.quick,
}
for (const section of chosen) {
  const began = performance.now()
  await section.run(context)
  process.stderr.write(`${section.name}: ${((performance.now() - began) / 1000).toFixed(0)} s\n`)
}

const report = await reportOf(context)
process.stdout.write(markdown(report))
if (Object.keys(results.steps).length > 0)
  await writeFile(values.svg ?? join(scratch, 'steps.svg'), stepsSvg(results.steps))
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`)
const misses = missed(report)
for (const miss of misses) process.stderr.write(`missed: ${miss}\n`)
if (values.check && !values.quick && misses.length > 0) process.exitCode = 1
