import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { readImageNode } from '@itk-wasm/image-io'
import t, { type Test } from 'tap'
import { startGrid, type Grid } from '../fixtures/grid.ts'

t.setTimeout(300_000)

const RUN = resolve(import.meta.dirname, '../../packages/cli/bin/run.js')
const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'))
const sha256 = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')

t.test('a volume is looked at, and told of, by a user', async (t) => {
  const grid = await startGrid(t)
  const { registered } = (await grid.ok('admin', ['register', '--json'])).json
  const guid: string = registered.find((v: { modality: string }) => v.modality === 'MR').guid
  for (const [user, preset] of [
    ['scientist', 'process'],
    ['physician', 'research'],
  ] as const)
    await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users[user].dn, '--preset', preset])

  await t.test('the sidecar holds what the user may read, and names nobody', (t) => sidecars(t, grid, guid))
  await t.test('a sidecar needs a file beside it', (t) => noSidecar(t, grid, guid))
  await t.test('the picture is a PNG file, of a volume or of a container', (t) => pictures(t, grid, guid))
  await t.test('no picture appears where nobody asked for one', (t) => noPicture(t, grid, guid))
  await t.test('a terminal shows the picture itself', (t) => onTerminal(t, grid, guid))
})

async function sidecars(t: Test, grid: Grid, guid: string): Promise<void> {
  const path = join(grid.scratch, 'brain.nii.gz')
  const args = ['get', guid, '-o', path, '--sidecar', '--json']
  const report = (await grid.ok('scientist', args)).json.files[0]
  t.equal(report.sidecar, join(grid.scratch, 'brain.json'))
  const least = await json(report.sidecar)
  t.same(Object.keys(least), ['Modality', 'MDM'], 'with process: what the volume says')
  t.match(least.MDM, { guid, version: 1, format: 'nifti-gz', sha256: await sha256(path), lossy: false })

  await grid.ok('physician', args)
  const more = await json(report.sidecar)
  t.ok(Object.keys(more).length > 4, 'with research: of the scan too')
  t.ok(more.SliceThickness > 0 && more.RepetitionTime < 100, 'in mm and s')
  t.notMatch(JSON.stringify(more), /phantom|doe|\^/i)

  const container = join(grid.scratch, 'brain.mdm')
  await grid.ok('physician', ['get', guid, '--level', 'raw', '-o', container])
  const opened = join(grid.scratch, 'opened.nrrd')
  const { stdout } = await grid.ok('physician', [
    'decrypt',
    container,
    '-o',
    opened,
    '--slices',
    '1-2',
    '--sidecar',
  ])
  t.equal(stdout, `${opened}\n${join(grid.scratch, 'opened.json')}\n`)
  const offline = await json(join(grid.scratch, 'opened.json'))
  t.same(Object.keys(offline), ['Modality', 'MDM'], 'no site is asked')
  t.equal(offline.MDM.sha256, await sha256(opened))
}

async function noSidecar(t: Test, grid: Grid, guid: string): Promise<void> {
  t.equal((await grid.mdm('physician', ['get', guid, '-o', '-', '--sidecar'])).code, 2)
  const raw = ['get', guid, '--level', 'raw', '-o', join(grid.scratch, 'none.mdm'), '--sidecar']
  t.equal((await grid.mdm('physician', raw)).code, 2)
  t.notOk(existsSync(join(grid.scratch, 'none.mdm')))
}

async function pictures(t: Test, grid: Grid, guid: string): Promise<void> {
  const path = join(grid.scratch, 'brain.png')
  const report = (await grid.ok('scientist', ['preview', guid, '-o', path, '--json'])).json
  t.match(report, { guid, version: 1, path, inverted: false })
  t.ok(report.window.high > report.window.low)
  t.same(
    report.views.map((view: { plane: string }) => view.plane),
    ['axial', 'coronal', 'sagittal'],
  )
  const image = await readImageNode(path)
  t.same(image.size, [report.width, report.height])
  const pixels = new Set(image.data as Uint8Array)
  t.ok(pixels.size > 10, 'shades')

  const container = join(grid.scratch, 'picture.mdm')
  await grid.ok('scientist', ['get', guid, '--level', 'raw', '-o', container])
  const again = join(grid.scratch, 'again.png')
  const { stdout } = await grid.ok('scientist', ['preview', '--file', container, '-o', again])
  t.equal(stdout, `${again}\n`)
  t.ok((await readFile(again)).equals(await readFile(path)), 'the same picture')
  t.notOk((await readdir(grid.scratch)).some((name) => name.endsWith('.tmp')))

  const piped = await grid.ok('scientist', ['preview', guid, '-o', '-'])
  t.match(piped.stdout.slice(0, 4), /PNG/)
}

async function noPicture(t: Test, grid: Grid, guid: string): Promise<void> {
  const { code, stdout } = await grid.mdm('scientist', ['preview', guid])
  t.same([code, stdout], [2, ''], 'stdout is no terminal')
  t.equal((await grid.mdm('scientist', ['preview', guid, '-o', '-', '--json'])).code, 2)
  t.equal(
    (await grid.mdm('scientist', ['preview', '-o', join(grid.scratch, 'x.png')])).code,
    2,
    'nothing is named',
  )
  t.equal((await grid.mdm('stranger', ['preview', guid, '-o', join(grid.scratch, 'x.png')])).code, 3)
  t.notOk(existsSync(join(grid.scratch, 'x.png')))
}

async function onTerminal(t: Test, grid: Grid, guid: string): Promise<void> {
  if (!existsSync('/usr/bin/script')) {
    t.pass('skipped: no script(1) to make a terminal with')
    return
  }
  const { NO_COLOR: _, ...env } = process.env
  const command = `${process.execPath} ${RUN} preview ${guid}`
  const o = { env: { ...env, TERM: 'xterm-256color', MDM_CONFIG: grid.users.scientist.config } }
  const running = promisify(execFile)('/usr/bin/script', ['-qec', command, '/dev/null'], o)
  running.child.stdin?.end()
  const { stdout } = await running
  t.match(stdout, '\u001b[38;5;')
  t.ok(stdout.split('▀').length > 200, 'half blocks')
}
