import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { needlesOf } from '@mdm/core/scan/needles'
import { hitsIn, scanPaths } from '@mdm/core/scan/scan-files'
import t from 'tap'
import { startGrid, type Run } from '../fixtures/grid.ts'
import { restartSite } from '../fixtures/site-process.ts'
import { upperBits } from './canary/pixels.ts'
import { plant } from './canary/planted.ts'

t.setTimeout(600_000)

t.test('nothing that names a patient is in any byte outside the site database', async (t) => {
  const source = t.testdir()
  const planted = await plant(source)
  const kinds = new Set(planted.map(({ where }) => where)).size
  t.ok(kinds >= 75, `${planted.length} texts in ${kinds} kinds of place are looked for`)
  const needles = needlesOf(planted.map(({ text }) => text))
  /** Which of the texts are in some bytes: by the engine of "mdm deid scan", and by their own bytes. */
  const foundIn = (content: Buffer): Set<string> =>
    new Set([
      ...hitsIn(content, { needles, patterns: false }).map(({ canary }) => planted[canary!]!.where),
      ...planted.filter(({ bytes }) => content.includes(bytes)).map(({ where }) => where),
    ])

  await t.test('both searches find every text where it was planted', async (t) => {
    const [byEngine, byBytes] = [new Set<string>(), new Set<string>()]
    for await (const { canary } of scanPaths([source], { needles, patterns: false }))
      byEngine.add(planted[canary!]!.where)
    for (const path of await filesOf(source)) {
      const content = Buffer.concat([Buffer.from(path), await readFile(path)])
      for (const { where, bytes } of planted) if (content.includes(bytes)) byBytes.add(where)
      // what lies in single bits no search for bytes sees
      const bits = hitsIn(upperBits(content), { needles, patterns: false })
      for (const { canary } of bits) for (const seen of [byEngine, byBytes]) seen.add(planted[canary!]!.where)
    }
    const all = [...new Set(planted.map(({ where }) => where))]
    t.strictSame(
      all.filter((where) => !byEngine.has(where)),
      [],
    )
    t.strictSame(
      all.filter((where) => !byBytes.has(where)),
      [],
    )
  })

  const grid = await startGrid(t, { source })
  const said: Record<string, string> = {}
  const say = (what: string, run: Run): Run => {
    said[what] = run.stdout + run.stderr
    return run
  }
  const admin = async (...args: string[]) => say(args.slice(0, 2).join(' '), await grid.ok('admin', args))
  const { registered, refused } = (await admin('register', '--json')).json
  t.equal(registered.length, 15, 'a volume of the series, and one for each character set')
  t.match(refused, [{ code: 'MDM_NOT_AN_IMAGE' }], 'the report and the key object are refused')
  await admin('quarantine', 'ls', '--json')
  await admin('quarantine', 'show', refused[0].quarantine, '--json')
  await admin('source', 'test', 'folder', '--json')

  const guids = registered.map(({ guid }: { guid: string }) => guid) as string[]
  const main = registered.find(({ shape }: { shape: number[] }) => shape[2] === 3).guid as string
  const to = grid.users.scientist.dn
  await admin('acl', 'grant', ...guids, '--to', to, '--preset', 'research', '--json')
  const asScientist = async (...args: string[]) =>
    say(
      `scientist: ${args.slice(0, 2).join(' ')} ${args.slice(-2).join(' ')}`,
      await grid.mdm('scientist', args),
    )
  const dir = join(grid.scratch, 'out')
  for (const format of ['nrrd', 'nifti', 'nifti-gz', 'metaimage'])
    t.equal(
      (
        await asScientist(
          'get',
          main,
          '-o',
          `${dir}-${format}/`,
          '--sidecar',
          '--timings',
          '--format',
          format,
        )
      ).code,
      0,
    )
  t.equal((await asScientist('preview', main, '-o', `${dir}.png`)).code, 0)
  t.equal((await asScientist('get', ...guids, '-o', `${dir}-all/`, '--json')).code, 0)
  t.equal((await asScientist('get', main, '--json', '-o', `${dir}-raw/`, '--level', 'raw')).code, 0)
  t.equal((await asScientist('ls', '--format', 'json')).code, 0)
  t.equal((await asScientist('stat', main, '--json')).code, 0)
  const rows = (await asScientist('query', 'modality=CT', '--json')).json.rows as Record<string, unknown>[]
  t.equal(rows.length, 15)
  // Errors are where names slip out: a refused query, a caller without rights, a source that is gone.
  const person = planted.find(({ where }) => where === '00100010 PN')!.text
  const refusedQuery = await grid.mdm('scientist', ['query', `patient_name='${person}'`, '--json'])
  said['a query on a withheld column'] = refusedQuery.stdout.replaceAll(person, '')
  say('a stranger', await grid.mdm('stranger', ['get', main, '-o', join(grid.scratch, 'x'), '--json']))
  await restartSite(grid)
  said['registered again'] = (await grid.ok('admin', ['register', '--json'])).stdout

  await t.test('nor in anything that was said', async (t) => {
    for (const [what, text] of Object.entries(said)) t.strictSame([...foundIn(Buffer.from(text))], [], what)
  })

  await t.test('nor in any file that was written, or its name, or the bits of its voxels', async (t) => {
    let files = 0
    for (const path of await filesOf(grid.scratch)) {
      const name = relative(grid.scratch, path)
      if (/^grid\/site\/site\.sqlite/.test(name)) continue
      files++
      const content = await readFile(path)
      const found = new Set([...foundIn(Buffer.from(name)), ...foundIn(content)])
      if (/\.(nrrd|nii|mha)$/.test(name)) for (const where of foundIn(upperBits(content))) found.add(where)
      if (found.size > 0) t.strictSame([...found], [], name)
    }
    t.ok(files > 40, `${files} files were searched`)
    const packed: string[] = []
    for await (const { path, canary } of scanPaths([`${dir}-nifti-gz`], { needles, patterns: false }))
      packed.push(`${path} ${planted[canary!]!.where}`)
    t.strictSame(packed, [])
  })

  await t.test('whoever may see the Patient table sees the names, in every character set', async (t) => {
    const { rows } = (await grid.ok('admin', ['query', 'modality=CT', '--json'])).json
    const seen = JSON.stringify(rows)
    for (const { where, text } of planted.filter(
      ({ where }) => where.startsWith('a name in') || where === '00100010 PN',
    ))
      t.ok(seen.includes(text), where)
  })
})

async function filesOf(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
