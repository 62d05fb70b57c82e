import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { compare, Runs, type Row } from '../bench/compare.ts'
import { cpuShares, isSecurity, sumShares } from '../bench/profile.ts'
import { missed, type Report } from '../bench/report/report.ts'
import { quartiles } from '../bench/statistics.ts'

/** A row that takes the times given, one a turn, and notes that it was run. */
function row(name: string, wallMs: readonly number[], order: string[]): Row {
  const usage = { cpuS: 1, serverCpuS: 1, peakMib: 1, serverPeakMib: {}, stdout: '' }
  return {
    name,
    async run(turn) {
      order.push(name)
      return { ...usage, wallMs: wallMs[turn]! }
    },
  }
}

t.test('quartiles are interpolated between the ordered values', async (t) => {
  t.strictSame(quartiles([4, 1, 3, 2]), { q1: 1.75, median: 2.5, q3: 3.25 })
  t.strictSame(quartiles([7]), { q1: 7, median: 7, q3: 7 })
  t.throws(() => quartiles([]), RangeError)
})

t.test('the verdict is on the median of the pairs’ ratios, whose order alternates', async (t) => {
  const order: string[] = []
  const section = 'ct dicomweb orthanc'
  const ours = row(`${section}: ours, cold`, [80, 85, 900], order)
  const theirs = row(`${section}: WADO-RS to files`, [100, 100, 100], order)
  const met = await compare(section, ours, theirs, { pairs: 3, runs: new Runs() })
  t.equal(met.name, `${section}: ours, cold / WADO-RS to files`)
  t.match(met, { ratio: { median: 0.85 }, ratios: [0.8, 0.85, 9], bar: 0.9, met: true })
  t.strictSame(
    order,
    [ours, theirs, theirs, ours, ours, theirs].map(({ name }) => name),
  )

  const slower = row(`${section}: ours, cold`, [95, 92, 10], [])
  const miss = await compare(section, slower, theirs, { pairs: 3, runs: new Runs() })
  t.equal(miss.met, false)
  const report = {
    comparisons: [met, miss],
    memory: [{ name: 'site', baseMib: 1, addedMib: quartiles([33]), bar: 32, met: false }],
    security: [{ name: 'by CPU samples', percent: 24, bar: 25, met: true }],
  } as unknown as Report
  t.strictSame(missed(report), [
    `${section}: ours, cold / WADO-RS to files: 0.92, at most 0.9`,
    'memory of the site: + 33 MiB, at most 32',
  ])
})

t.test('samples count for the nearest frame of ours, within the window', async (t) => {
  const url = (path: string) => `file:///x/.bench/node_modules/${path}`
  const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
    ...{ id, children },
    callFrame: { functionName, url, lineNumber: 0, columnNumber: 0 },
  })
  const profile = {
    nodes: [
      node(1, '(root)', '', [2, 6, 7, 9]),
      node(2, 'openFrame', url('@mdm/core/dist/crypto/container/reader.js'), [3]),
      node(3, 'update', 'node:internal/crypto/cipher'),
      node(6, '(idle)', ''),
      node(7, 'onData', url('undici/lib/dispatcher/client-h1.js'), [8]),
      node(8, 'gatherFileKey', url('@mdm/core/dist/grid/key-servers.js')),
      node(9, 'processTicks', 'node:internal/process/task_queues'),
    ],
    startTime: 1_000,
    samples: [2, 3, 6, 8, 7, 9, 3],
    timeDeltas: [0, 2_000, 5_000, 1_000, 500, 250, 4_000],
  }
  const folder = join(t.testdir(), 'profiles')
  await mkdir(folder)
  await writeFile(join(folder, 'a.cpuprofile'), JSON.stringify(profile))
  const all = await cpuShares(folder)
  t.strictSame(all, { 'core/crypto': 6, 'core/grid/key-servers': 1, undici: 0.5, Node: 0.25 })
  const some = await cpuShares(folder, { fromUs: 3_500, toUs: 9_600 })
  t.strictSame(some, { 'core/grid/key-servers': 1, undici: 0.5 })
  t.strictSame(sumShares([some, some]), { 'core/grid/key-servers': 2, undici: 1 })
  t.ok(isSecurity('core/crypto') && isSecurity('core/grid/key-servers') && !isSecurity('core/grid'))
})

t.test('what is bundled counts for where it was written', async (t) => {
  const folder = t.testdir({ node_modules: { '@mdm': { cli: { dist: { chunks: {} } } } } })
  const file = join(folder, 'node_modules/@mdm/cli/dist/chunks/save.js')
  // one line for each source: column 0 of generated line n is column 0 of line 0 of source n
  const sources = ['../../../core/src/crypto/jws.ts', '../../src/output.ts', '../../../../zod/v4/core.js']
  await writeFile(
    `${file}.map`,
    JSON.stringify({ version: 3, sources, names: [], mappings: 'AAAA;ACAA;ACAA' }),
  )
  const node = (id: number, lineNumber: number) => ({
    ...{ id, children: [] },
    callFrame: { functionName: 'f', url: pathToFileURL(file).href, lineNumber, columnNumber: 4 },
  })
  const profile = {
    nodes: [node(1, 0), node(2, 1), node(3, 2)],
    ...{ startTime: 0, samples: [1, 2, 3], timeDeltas: [1_000, 2_000, 3_000] },
  }
  const profiles = join(folder, 'profiles')
  await mkdir(profiles)
  await writeFile(join(profiles, 'a.cpuprofile'), JSON.stringify(profile))
  t.strictSame(await cpuShares(profiles), { 'core/crypto': 1, 'cli/output': 2, zod: 3 })
})
