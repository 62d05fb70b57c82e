import { join } from 'node:path'
import { SECURITY_BAR_PERCENT } from '../bars.ts'
import { gridOf, newFolder, quotaForOne, seriesOf, shapeOf, withServers, type Section } from '../context.ts'
import { startPacs } from '../pacs.ts'
import { cpuShares, isSecurity, monotonicUs, sumShares, type CpuShares } from '../profile.ts'
import { ourRow, timingsOf } from '../rows.ts'
import { median } from '../statistics.ts'
import { sourceOf } from './cold.ts'

/** Gets that are not counted, then those that are; the servers compile their code meanwhile, as they would in a day. */
const TURNS = { warmUp: 6, counted: 9 }
const QUICK_TURNS = { warmUp: 1, counted: 2 }
/** Steps of the timing report that exist for security alone. */
const SECURE_STEPS = ['access-control', 'retrieve-key', 'client-retrieve-key', 'init-overhead']
/** Owners of samples that seal and open frames, while other things go on. */
const CIPHER = 'core/crypto'
const sampler = (folder: string) => ['--cpu-prof', '--cpu-prof-interval=250', `--cpu-prof-dir=${folder}`]

/** Security's share of cold CT gets: right check, keys, encryption, decryption, and the records of them. */
export const securitySection: Section = {
  name: 'security',
  async run(o) {
    const turns = o.quick ? QUICK_TURNS : TURNS
    const shape = shapeOf(o, 'ct')
    const series = await seriesOf(o, 'ct', shape)
    const [servers, client] = await Promise.all(
      ['profile-servers', 'profile-client'].map((name) => newFolder(o, name)),
    )
    const window = { fromUs: 0, toUs: 0 }
    const title = 'security: ours, ct dimse orthanc, cold, under a profiler'
    await withServers(async (t) => {
      const pacs = await startPacs(t, 'orthanc', series)
      const grid = await gridOf(t, o, {
        source: sourceOf('dimse', pacs),
        quotaBytes: quotaForOne(shape),
        nodeOptions: sampler(servers!),
      })
      const get = { installed: o.installed, out: join(o.scratch, 'out'), pacs, cold: true }
      const warmUp = ourRow(`${title}, first`, grid, series, get)
      for (let turn = 0; turn < turns.warmUp; turn++) await warmUp.run(turn)
      const row = ourRow(title, grid, series, { ...get, nodeOptions: sampler(client!) })
      window.fromUs = monotonicUs()
      for (let turn = 0; turn < turns.counted; turn++) await o.results.runs.add(row, turn)
      window.toUs = monotonicUs()
    })
    const shares = {
      client: perGet(await cpuShares(client!), turns.counted),
      servers: perGet(await cpuShares(servers!, window), turns.counted),
    }
    const all = sumShares(Object.values(shares))
    const total = sum(all, () => true)
    add('by CPU samples', (100 * sum(all, isSecurity)) / total, all)
    const gets = o.results.runs.of(title)
    const exclusive = median(
      gets.map(({ wallMs, stdout }) => {
        const rows = timingsOf(stdout).rows.filter(({ name }) => SECURE_STEPS.includes(name))
        const cipher = sum(all, (owner) => owner === CIPHER)
        return (100 * (rows.reduce((ms, row) => ms + row.exclusiveMs, 0) + cipher)) / wallMs
      }),
    )
    add('by exclusive time, with all of the ciphers’ CPU time added, though most of it overlaps', exclusive)

    function add(name: string, percent: number, shares?: CpuShares): void {
      const met = percent < SECURITY_BAR_PERCENT
      const counted = shares === undefined ? {} : { shares }
      o.results.security.push({ name, percent, bar: SECURITY_BAR_PERCENT, met, ...counted })
    }
  },
}

function perGet(shares: CpuShares, gets: number): CpuShares {
  return Object.fromEntries(Object.entries(shares).map(([owner, ms]) => [owner, ms / gets]))
}

function sum(shares: CpuShares, of: (owner: string) => boolean): number {
  return Object.entries(shares).reduce((total, [owner, ms]) => total + (of(owner) ? ms : 0), 0)
}
