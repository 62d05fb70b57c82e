import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { Report } from '../../bench/report/report.ts'
import { missing } from '../fixtures/peers/peer.ts'

const PROGRAMS = [
  'Orthanc',
  'libOrthancDicomWeb.so',
  'getscu',
  'dcmcrle',
  'dcm2niix',
  'nginx',
  'curl',
  'openssl',
  'gfal-copy',
  'arccp',
  'davix-get',
  'voms-proxy-fake',
]
const root = resolve(import.meta.dirname, '../..')

// Nothing is said of time here: what the bench finds out is for a machine that does nothing else.
t.setTimeout(600_000)

t.test('the bench measures every kind of row beside real programs', async (t) => {
  const lacking = missing(...PROGRAMS)
  if (lacking !== undefined) return void t.pass(`skipped: ${lacking} is not on this machine`)
  // below the checkout, where the packed packages find their dependencies
  const dir = await mkdtemp(join(root, '.bench-test-'))
  t.teardown(() => rm(dir, { recursive: true, force: true, maxRetries: 10 }))
  const at = (name: string) => join(dir, name)
  const args = ['--quick', '--check', '--dir', dir, '--json', at('bench.json'), '--svg', at('steps.svg')]
  const main = ['--conditions=@mdm/source', join(root, 'bench/main.ts'), ...args]
  // tap gives its loader to every child by NODE_OPTIONS, which is no part of what a user runs
  const command = ['-u', 'NODE_OPTIONS', process.execPath, ...main]
  const { stdout } = await promisify(execFile)('/usr/bin/env', command, { cwd: root })
  const report = JSON.parse(await readFile(at('bench.json'), 'utf8')) as Report

  t.strictSame(
    report.comparisons.map(({ name, bar }) => [name, bar]),
    [
      ['start-up: mdm --version / node -e 0', undefined],
      ['start-up: mdm get --help / node -e 0', undefined],
      ['ct dimse orthanc: ours, cold / getscu TCP_NODELAY', 0.7],
      ['ct dimse orthanc: ours, cold / getscu as shipped', 0.15],
      ['ct dicomweb orthanc: ours, cold / WADO-RS to files', 0.9],
      ['1 GB warm: ours / curl from nginx', 2],
      ['grid: gfal-copy srm / gfal-copy https from nginx', 1.5],
      ['grid: gfal-copy https / gfal-copy https from nginx', 1.3],
      ['grid: curl / curl from nginx', 1.3],
      ['grid: davix-get / curl from nginx', undefined],
      ['grid: arccp srm / curl from nginx', undefined],
      ['grid: mdm get --level raw / gfal-copy srm', 1.8],
      ['grid: HEAD / HEAD of nginx', undefined],
      ['grid: srmLs / HEAD of nginx', undefined],
      ['grid: new connections / new connections to nginx', 2.5],
      ['grid: new connections, VOMS proxy of a proxy / new connections', 1.5],
      ['decode rle: ours / dcmdrle', 2],
      ['decode jpeg-lossless: ours / dcmdjpeg', 2],
      ['decode jpeg-ls: ours / dcmdjpls', 2],
    ],
    'every comparison with its bar',
  )
  for (const { name, ratios, ratio } of report.comparisons)
    t.ok(ratios.length === 1 && ratio.median === ratios[0] && ratio.median > 0, name)
  for (const row of report.rows) {
    // What computes for less than some looks take may have ended before the first, however long it waited for a processor.
    const used = row.each.every((u) => u.wallMs > 1 && (u.peakMib > 1 || u.cpuS < 0.1) && u.cpuS >= 0)
    t.ok(used && row.each.length === row.runs, row.name)
  }
  const ours = report.rows.find(({ name }) => name === 'ct dimse orthanc: ours, cold')!
  const servers = ['site', ...[1, 2, 3, 4, 5].map((i) => `keys-${i}`), 'orthanc']
  t.strictSame(Object.keys(ours.serverPeakMib), servers)
  t.ok(
    ours.cpuS > 0.05 && ours.peakMib > 40 && ours.serverPeakMib['site']! > 40,
    'a Node takes what a Node takes',
  )
  t.ok(
    report.rows.every(({ name, cpuS, peakMib }) => !name.includes('getscu') || (cpuS < 1 && peakMib > 3)),
    'getscu takes less',
  )

  const shares = report.security.find(({ name }) => name === 'by CPU samples')!.shares!
  for (const owner of ['core/crypto', 'core/grid', 'server/deliver', 'server/dicom', 'server/keyshares'])
    t.ok(shares[owner]! > 0, `samples of ${owner}`)
  t.ok(report.security.every(({ percent }) => percent > 1 && percent < 100))

  const svg = await readFile(at('steps.svg'), 'utf8')
  t.equal(svg.match(/<title>read /g)?.length, 2 + 3, 'in both bars of the paper and the three of ours')
  t.match(stdout, /\| 1 GB warm: ours \/ curl from nginx \|/)
})
