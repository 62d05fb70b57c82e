import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { grant } from '@mdm/core/access/acl'
import { runMdm } from '../fixtures/grid.ts'
import { pathWithMdm } from '../fixtures/mdm-in-path.ts'
import { gridClients, type ClientRun } from '../fixtures/peers/grid-clients.ts'
import { RADIOLOGIST, VO } from '../fixtures/peers/grid-pki.ts'
import { grantFile, startStorageGrid } from '../fixtures/peers/storage-grid.ts'
import { registerAll } from '../server/site-grid.ts'

const [COLUMNS, ROWS, SLICES] = [48, 40, 6]
const JOB = resolve(import.meta.dirname, '../../examples/grid-job.sh')
const INVENTED = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
const voxel = (seed: number) => (i: number, j: number, k: number) => (31 * i + 17 * j + 7 * k + seed) & 0xfff

t.test('the storage clients of a grid, as their makers ship them', async (t) => {
  const shape = { columns: COLUMNS, rows: ROWS, slices: SLICES }
  const series = [
    { ...shape, modality: 'CT' as const, voxel: voxel(1) },
    { ...shape, modality: 'MR' as const, voxel: voxel(2) },
  ]
  const grid = await startStorageGrid(t, { series })
  if (grid === undefined) return t.pass('skipped: the tools of a grid are not installed here')
  const clients = await gridClients(t, grid.pki)
  if (clients === undefined) return t.pass('skipped: the clients of a grid are not installed here')

  const admin = await grid.as('admin')
  const volumes = (await registerAll(admin)).flatMap((e) => (e.type === 'registered' ? [e.volume] : []))
  const of = (modality: string) => volumes.find((volume) => volume.modality === modality)!.guid
  const [guid, listed] = [of('CT'), of('MR')]
  const radiologist = { kind: 'fqan' as const, fqan: RADIOLOGIST }
  await grant(admin, guid, { to: radiologist, preset: 'process' })
  await grantFile(admin, listed, { to: radiologist, rights: ['list'], versions: 'all' })
  const [physician, stranger] = await Promise.all([
    grid.pki.issue('physician', 'Test Physician'),
    grid.pki.issue('stranger', 'Test Stranger'),
  ])
  const [proxy, other] = await Promise.all([
    grid.pki.proxy(physician, { fqans: [`/${VO}`, RADIOLOGIST] }),
    grid.pki.proxy(stranger, { fqans: [`/${VO}`] }),
  ])
  const at = (name: string) => join(clients.folder, name)
  const to = (name: string) => `file://${at(name)}`
  /** Runs a client that must end with a code. */
  const ends =
    (t: Test, code: number) =>
    async (program: string, ...args: string[]): Promise<ClientRun> => {
      const run = await clients.run(proxy, program, ...args)
      if (run.code !== code) t.comment(run.stdout + run.stderr)
      t.equal(run.code, code, [program, ...args].join(' '))
      return run
    }
  const [surl, url] = [grid.surl(guid), grid.url(guid)]
  const folder = `srm://${grid.authority}/mdm`
  const config = await grid.configOf(proxy)

  await t.test('each fetches the container that mdm fetches', async (t) => {
    const copies: Record<string, [string, ...string[]]> = {
      srm: ['gfal-copy', surl, to('srm')],
      full: ['gfal-copy', `srm://${grid.authority}/srm/managerv2?SFN=/mdm/${guid}`, to('full')],
      https: ['gfal-copy', url, to('https')],
      adler: ['gfal-copy', '-K', 'ADLER32', surl, to('adler')],
      'arc-srm': ['arccp', surl, at('arc-srm')],
      'arc-https': ['arccp', url, at('arc-https')],
      davix: ['davix-get', '-E', proxy, '--capath', grid.pki.certificates, url, at('davix')],
      curl: ['curl', '-sSf', '--capath', grid.pki.certificates, '--cert', proxy, '-o', at('curl'), url],
    }
    const ok = ends(t, 0)
    const [first, ...others] = Object.values(copies)
    await ok(...first!)
    await Promise.all(others.map((words) => ok(...words)))
    const raw = await runMdm(['get', guid, '--level', 'raw', '-o', at('raw')], { config })
    t.equal(raw.code, 0, raw.stderr)
    const expected = await digest(at('raw'))
    for (const name of Object.keys(copies)) t.equal(await digest(at(name)), expected, name)

    const open = await runMdm(['decrypt', at('srm'), '-o', at('open.nrrd')], { config })
    t.equal(open.code, 0, open.stderr)
    const nrrd = await readFile(at('open.nrrd'))
    const voxels = nrrd.subarray(nrrd.indexOf('\n\n') + 2)
    t.ok(voxels.equals(Buffer.from(voxelsOf(1).buffer)), 'and what was copied opens to the right voxels')
  })

  await t.test('each says what there is', async (t) => {
    const bytes = (await readFile(at('raw'))).length
    const ok = ends(t, 0)
    const said = async (program: string, ...args: string[]) => (await ok(program, ...args)).stdout
    const [stat, ls, all, arc, arcAll, status] = await Promise.all([
      said('gfal-stat', surl),
      said('gfal-ls', '-l', surl),
      said('gfal-ls', '-l', folder),
      said('arcls', '-l', surl),
      said('arcls', '-l', folder),
      said('gfal-xattr', surl, 'user.status'),
    ])
    const [davStat, davAll, davArc] = await Promise.all([
      said('gfal-stat', url),
      said('gfal-ls', '-l', `https://${grid.authority}/mdm/`),
      said('arcls', '-l', url),
    ])
    for (const text of [stat, davStat]) t.match(text, `Size: ${bytes}`)
    for (const text of [ls, all, davAll]) t.match(text, new RegExp(`\\b${bytes}\\b.*${guid}`))
    for (const text of [arc, arcAll, davArc]) t.match(text, new RegExp(`${guid}.*\\b${bytes}\\b`))
    for (const text of [all, davAll, arcAll]) t.match(text, listed, 'a folder shows what may be listed')
    t.match(status, 'ONLINE', 'it is in the spool')
  })

  await t.test('checksums are those of the container', async (t) => {
    const sum = adler32(await readFile(at('raw')))
    for (const where of [surl, url]) t.match((await ends(t, 0)('gfal-sum', where, 'ADLER32')).stdout, sum)
    for (const where of [surl, url]) await ends(t, 38)('gfal-sum', where, 'MD5')
  })

  await t.test('without the right to list a volume is not there', async (t) => {
    const both = async (program: string, words: (name: string) => string[]) => {
      const [hidden, wrong] = await Promise.all(
        [guid, INVENTED].map((name) => clients.run(other, program, ...words(name))),
      )
      const told = ({ code, stdout, stderr }: ClientRun) =>
        [code, stdout, stderr].map((part) =>
          String(part)
            .replaceAll(guid, INVENTED)
            .replaceAll(/[0-9]+ seconds?/g, ''),
        )
      t.strictSame(told(hidden!), told(wrong!), `${program}: as for a wrong GUID`)
      return wrong!
    }
    for (const where of [grid.surl, grid.url]) {
      t.equal((await both('gfal-stat', (name) => [where(name)])).code, 2)
      t.equal((await both('gfal-copy', (name) => [where(name), to('never')])).code, 2)
    }
    const arc = await both('arccp', (name) => [grid.surl(name), at('never')])
    t.equal(arc.code, 1)
    t.match(arc.stdout + arc.stderr, /No such file/)
    const seen = await clients.run(other, 'gfal-ls', '-l', folder)
    t.match(seen, { code: 0, stdout: '' })
  })

  await t.test('with the right to list alone it is there, and refused', async (t) => {
    const [, , arc] = await Promise.all([
      ends(t, 0)('gfal-stat', grid.surl(listed)),
      ends(t, 13)('gfal-copy', grid.surl(listed), to('never')),
      ends(t, 1)('arccp', grid.surl(listed), at('never')),
      ends(t, 1)('gfal-copy', grid.url(listed), to('never')),
    ])
    t.match(arc.stdout + arc.stderr, /Permission denied/)
  })

  await t.test('nothing is ever written', async (t) => {
    await writeFile(at('mine'), 'mine')
    const unsupported = ends(t, 95)
    await Promise.all([
      unsupported('gfal-copy', '-f', to('mine'), surl),
      unsupported('gfal-copy', to('mine'), grid.surl(INVENTED)),
      unsupported('gfal-rm', surl),
      unsupported('gfal-mkdir', `${folder}/new`),
      ends(t, 1)('arccp', at('mine'), grid.surl(INVENTED)),
      ends(t, 1)('arcrm', surl),
      ends(t, 1)('gfal-copy', '-f', to('mine'), url),
      ends(t, 1)('gfal-rm', url),
    ])
    await ends(t, 0)('gfal-stat', surl)
  })

  await t.test('the tape interface stages, tells and lets go', async (t) => {
    const ok = ends(t, 0)
    const staged = await ok('gfal-bringonline', '-vvv', '--polling-timeout', '60', url)
    // It ends with 0 whatever becomes of it, and names its request in what it logs only.
    t.match(staged.stdout, `${url} READY`)
    const token = /location: .*\/stage\/([\w-]{43})/i.exec(staged.stdout + staged.stderr)?.[1]
    t.notMatch((await ok('gfal-archivepoll', url)).stdout, /FAILED/)
    t.match((await ok('gfal-xattr', url, 'user.status')).stdout, /ONLINE/)
    await ok('gfal-evict', url, token ?? 'none')
    const online = await ok('gfal-bringonline', '--pin-lifetime', '60', '--polling-timeout', '60', surl)
    t.match(online.stdout, `${surl} READY`)
  })

  await t.test('the job of the examples computes, and leaves no file', async (t) => {
    const path = pathWithMdm(grid.dir)
    const job = async (GRID_COPY: string, where: string) => {
      const home = at(`job-${GRID_COPY}`)
      await mkdir(home)
      const env = { X509_USER_PROXY: proxy, MDM_CONFIG: config, PATH: path, TMPDIR: home, GRID_COPY }
      const run = await clients.run({ env, input: `${where}\n${grid.surl(INVENTED)}\n` }, JOB)
      t.equal(run.code, 1, 'one of the two is not there')
      t.equal(run.stdout, `${guid},${mean(1)}\n`, run.stderr)
      t.match(run.stderr, `${INVENTED}: failed`)
      t.strictSame(await readdir(home), [])
    }
    await Promise.all([job('gfal-copy', surl), job('arccp', url)])
  })
})

async function digest(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}

function voxelsOf(seed: number): Int16Array {
  const voxels = new Int16Array(COLUMNS * ROWS * SLICES)
  for (let k = 0; k < SLICES; k++)
    for (let j = 0; j < ROWS; j++)
      for (let i = 0; i < COLUMNS; i++) voxels[(k * ROWS + j) * COLUMNS + i] = voxel(seed)(i, j, k)
  return voxels
}

function mean(seed: number): string {
  const voxels = voxelsOf(seed)
  return (voxels.reduce((a, b) => a + b, 0) / voxels.length).toFixed(3)
}

/** RFC 1950 section 9, as its appendix has it. */
function adler32(content: Buffer): string {
  let [a, b] = [1, 0]
  for (const byte of content) {
    a = (a + byte) % 65_521
    b = (b + a) % 65_521
  }
  return (((b << 16) | a) >>> 0).toString(16).padStart(8, '0')
}
