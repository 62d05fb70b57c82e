import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { voxelsOfSeries } from '../fixtures/phantom-voxels.ts'
import { portsInARow } from '../fixtures/ports-in-a-row.ts'

t.setTimeout(300_000)
const root = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/deploy.md'), 'utf8')
/** What the page has a newcomer type: its blocks of `sh`, in order. What differs on real machines is `console`. */
const blocks = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].map((match) => match[1]!)

/** Types all blocks into one shell, in a fresh folder; what runs in the background ends with it. */
async function walk(t: Test, dir: string, port: number): Promise<{ code: number; output: string }> {
  const script = join(dir, '..', 'walk.sh')
  writeFileSync(script, `trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n${blocks.join('\n')}`)
  const env = {
    HOME: dir,
    PATH: `${root}/node_modules/.bin:${process.env.PATH}`,
    PORT: String(port),
    NO_COLOR: '1',
  }
  const shell = spawn('bash', ['-e', '-u', '-o', 'pipefail', script], {
    cwd: dir,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => shell.kill())
  const [out, err] = await Promise.all([text(shell.stdout), text(shell.stderr), once(shell, 'close')])
  return { code: shell.exitCode ?? -1, output: `${out}\n${err}` }
}

t.test(
  'a newcomer who types what docs/deploy.md says, in a fresh folder, ends with the right image',
  async (t) => {
    t.ok(blocks.length >= 10, 'the page has steps')
    if (spawnSync('bash', ['--version']).status !== 0) return t.pass('skipped: bash is not on this machine')
    const scratch = mkdtempSync(join(tmpdir(), 'mdm-deploy-'))
    t.teardown(() => rmSync(scratch, { recursive: true, force: true }))
    const dir = mkdtempSync(join(scratch, 'walk-'))
    const { code, output } = await walk(t, dir, await portsInARow(6))
    t.equal(code, 0, output)

    const voxels = voxelsOfSeries(join(dir, 'images', 'ct'), { bytes: 2 * 128 * 128 })
    const nrrd = readFileSync(join(dir, 'head.nrrd'))
    t.match(nrrd.toString('latin1', 0, 400), /^NRRD000[0-9]\n[^]*sizes: 128 128 64\n/)
    t.ok(nrrd.subarray(nrrd.indexOf('\n\n') + 2).equals(voxels), 'voxel for voxel')

    t.match(output, /\n0 faults, [0-9]+ warnings\n/, 'check finds no fault')
    // A machine may have an encrypted disk or a small one; the site is asked for before it runs.
    const usual = ['encrypted-volume', 'operators', 'spool', 'site', 'clock']
    const warned = [...output.matchAll(/^warn +(\S+)/gm)].map((match) => match[1]!)
    t.strictSame(
      warned.filter((name) => !usual.includes(name)),
      [],
    )
  },
)
