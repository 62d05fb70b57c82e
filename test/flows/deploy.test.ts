import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { freePorts } from '../../packages/server/src/provision/ports.ts'

t.setTimeout(300_000)
const root = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/deploy.md'), 'utf8')
/** What the page has a newcomer type: its blocks of `sh`, in order. What differs on real machines is `console`. */
const blocks = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].map((match) => match[1]!)

/** The page's convention: the site listens on $PORT, the key servers on the five after it. */
async function sixInARow(): Promise<number> {
  for (;;) {
    const [port] = (await freePorts('127.0.0.1', 1)) as [number]
    const servers = [0, 1, 2, 3, 4, 5].map((i) => createServer().listen(port + i, '127.0.0.1'))
    const free = await Promise.all(
      servers.map((s) =>
        once(s, 'listening').then(
          () => true,
          () => false,
        ),
      ),
    )
    await Promise.all(servers.map((s) => new Promise((done) => s.close(done))))
    if (free.every(Boolean)) return port
  }
}

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

/** The third number of Image Position (Patient), explicit little endian. */
function heightOf(file: Buffer): number {
  const at = file.indexOf(Buffer.from('200032004453', 'hex'))
  const length = file.readUInt16LE(at + 6)
  return Number(file.toString('latin1', at + 8, at + 8 + length).split('\\')[2])
}

t.test(
  'a newcomer who types what docs/deploy.md says, in a fresh folder, ends with the right image',
  async (t) => {
    t.ok(blocks.length >= 10, 'the page has steps')
    if (spawnSync('bash', ['--version']).status !== 0) return t.pass('skipped: bash is not on this machine')
    const scratch = mkdtempSync(join(tmpdir(), 'mdm-deploy-'))
    t.teardown(() => rmSync(scratch, { recursive: true, force: true }))
    const dir = mkdtempSync(join(scratch, 'walk-'))
    const { code, output } = await walk(t, dir, await sixInARow())
    t.equal(code, 0, output)

    // The truth comes from the files themselves: pixels are the end of a file, and the position says which slice they are.
    const [columns, rows] = [128, 128]
    const series = join(dir, 'images', 'ct')
    const slices = readdirSync(series)
      .map((file) => readFileSync(join(series, file)))
      .map((file) => ({ z: heightOf(file), pixels: file.subarray(-2 * columns * rows) }))
      .sort((a, b) => a.z - b.z)
      .map(({ pixels }) => pixels)
    const nrrd = readFileSync(join(dir, 'head.nrrd'))
    t.match(nrrd.toString('latin1', 0, 400), /^NRRD000[0-9]\n[^]*sizes: 128 128 64\n/)
    t.ok(nrrd.subarray(nrrd.indexOf('\n\n') + 2).equals(Buffer.concat(slices)), 'voxel for voxel')

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
