import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { portsInARow } from '../fixtures/ports-in-a-row.ts'
import { missing } from '../fixtures/peers/peer.ts'
import { voxelsOfSeries } from '../fixtures/phantom-voxels.ts'

t.setTimeout(300_000)
const root = resolve(import.meta.dirname, '../..')
/** What the pages have newcomers type, in order: the administrator's, then the researcher's. */
const blocks = ['docs/grid-site.md', 'docs/grid.md'].map((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```sh\n([^]*?)^```$/gm)].map((match) => match[1]!),
)

/** Types all blocks into one shell, in a fresh folder; what runs in the background ends with it. */
async function walk(t: Test, dir: string, port: number): Promise<{ code: number; output: string }> {
  const script = join(dir, '..', 'walk.sh')
  writeFileSync(script, `trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n${blocks.flat().join('\n')}`)
  const env = {
    HOME: dir,
    PATH: `${root}/node_modules/.bin:${process.env.PATH}`,
    PORT: String(port),
    EXAMPLES: join(root, 'examples'),
    LC_ALL: 'C.UTF-8',
    NO_COLOR: '1',
  }
  const shell = spawn('bash', ['-e', '-u', '-o', 'pipefail', script], {
    ...{ cwd: dir, env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => shell.kill())
  const [out, err] = await Promise.all([text(shell.stdout), text(shell.stderr), once(shell, 'close')])
  return { code: shell.exitCode ?? -1, output: `${out}\n${err}` }
}

t.test(
  'an administrator opens his site to a grid, and a researcher ends with the right voxels',
  async (t) => {
    t.ok(
      blocks.every((page) => page.length >= 6),
      'both pages have steps',
    )
    const absent = missing('bash', 'openssl', 'curl', 'voms-proxy-init', 'gfal-copy', 'gfal-ls', 'gfal-stat')
    if (absent !== undefined) return t.pass(`skipped: ${absent} is not on this machine`)
    const scratch = mkdtempSync(join(tmpdir(), 'mdm-grid-walk-'))
    t.teardown(() => rmSync(scratch, { recursive: true, force: true }))
    const dir = join(scratch, 'walk')
    mkdirSync(dir)
    const { code, output } = await walk(t, dir, await portsInARow(5))
    t.equal(code, 0, output)

    const nrrd = readFileSync(join(dir, 'head.nrrd'))
    const voxels = voxelsOfSeries(join(dir, 'images', 'ct'), { bytes: 2 * 128 * 128 })
    t.match(nrrd.toString('latin1', 0, 400), /^NRRD000[0-9]\n[^]*sizes: 128 128 64\n/)
    t.ok(nrrd.subarray(nrrd.indexOf('\n\n') + 2).equals(voxels), 'voxel for voxel')
    const stored = new Int16Array(voxels.buffer, voxels.byteOffset, voxels.length / 2)
    const mean = (stored.reduce((a, b) => a + b, 0) / stored.length).toFixed(3)
    t.match(
      readFileSync(join(dir, 'result.csv'), 'utf8'),
      new RegExp(`^[0-9a-f-]{36},${mean}\n$`),
      'the array job',
    )

    t.match(output, /\n0 faults, [0-9]+ warnings\n[^]*\n0 faults, 0 warnings\n/, 'check, then doctor')
    const refused = /\n207\n403\n[0-9a-f]+ is revoked\ngrid-ca\/ca\.crl\ngood until .*\n403\n/
    t.match(output, refused, 'let in, banned, and revoked by his CA')
    t.match(output, /gfal-copy ends with 2\n/, 'without a right there is nothing to copy')
    t.match(output, /mdm ends with 3\n/)
    t.match(output, /records follow each other/, 'the audit log is whole')
  },
)
