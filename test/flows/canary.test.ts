import { readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { scanPaths } from '@mdm/core/scan/scan-files'
import t from 'tap'
import { startGrid, type Grid, type Run } from '../fixtures/grid.ts'
import { restartSite } from '../fixtures/site-process.ts'
import { ECHO_TIMES } from './canary/echoes.ts'
import { upperBits } from './canary/pixels.ts'
import { plant } from './canary/planted.ts'
import { filesOf, searchFor } from './canary/search.ts'

t.setTimeout(600_000)

t.test('nothing that names a patient is in any byte outside the site database', async (t) => {
  const source = t.testdir()
  const planted = await plant(source)
  const search = searchFor(planted)
  const all = [...new Set(planted.map(({ where }) => where))]
  t.ok(all.length >= 230, `${planted.length} texts in ${all.length} kinds of place are looked for`)

  await t.test('both searches find every text where it was planted', async (t) => {
    let [byEngine, byBytes] = [new Set<string>(), new Set<string>()]
    for (const path of await filesOf(source)) {
      const content = Buffer.concat([Buffer.from(path), await readFile(path)])
      // what lies in single bits no search for bytes sees
      const bits = search.byEngine(upperBits(content))
      byEngine = byEngine.union(search.byEngine(content)).union(bits)
      byBytes = byBytes.union(search.byBytes(content)).union(bits)
    }
    for (const found of [byEngine, byBytes])
      t.strictSame(
        all.filter((where) => !found.has(where)),
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
  const { registered, refused, sets } = (await admin('register', '--json')).json
  t.equal(registered.length, 21, 'CT, four echoes, two X-rays, and a volume for each character set')
  t.match(refused, [{ code: 'MDM_NOT_AN_IMAGE' }], 'the report and the key object are refused')
  t.match(sets, [{ axis: 'echo' }, { axis: 'echo' }])
  await admin('quarantine', 'ls', '--json')
  await admin('quarantine', 'show', refused[0].quarantine, '--json')
  await admin('source', 'test', 'folder', '--json')

  const guidsOf = (slices: number, modality: string): string[] =>
    (registered as { guid: string; modality: string; shape: number[] }[])
      .filter((volume) => volume.shape[2] === slices && volume.modality === modality)
      .map(({ guid }) => guid)
  const guids = registered.map(({ guid }: { guid: string }) => guid) as string[]
  const [main, echoes, xRays] = [guidsOf(3, 'CT')[0]!, guidsOf(2, 'MR'), guidsOf(1, 'CR')]
  const setGuids = (sets as { guid: string }[]).map(({ guid }) => guid)
  const to = grid.users.scientist.dn
  await admin('acl', 'grant', ...guids, '--to', to, '--preset', 'research', '--json')
  // The site goes on from what it wrote down, now with a listener for its operator.
  const { metrics } = await restartSite(grid, measured)
  const asScientist = async (...args: string[]) =>
    say(
      `scientist: ${args.slice(0, 2).join(' ')} ${args.slice(-2).join(' ')}`,
      await grid.mdm('scientist', args),
    )
  const dir = join(grid.scratch, 'out')
  const [echo, set, xRay] = [echoes[3]!, setGuids[1]!, xRays[1]!]
  const formats: [string, number, ...string[]][] = [
    ['nrrd', 0, main, set, ...xRays],
    ['nifti', 0, main, ...xRays],
    ['nifti-gz', 0, main, set, ...xRays],
    // what a format cannot hold is refused by name
    ['metaimage', 10, main, set, ...xRays],
    ['dicom', 10, main, echo, set, xRay],
  ]
  const gets = formats.map(async ([format, code, ...names]) => {
    const to = ['-o', `${dir}-${format}/`, ...(format === 'dicom' ? [] : ['--sidecar'])]
    const run = await asScientist('get', ...names, ...to, '--timings', '--format', format)
    t.equal(run.code, code, format)
  })
  const done = async (...args: string[]) => {
    const run = await asScientist(...args)
    t.equal(run.code, 0, `${args[0]} ends with 0`)
    return run
  }
  await Promise.all([
    ...gets,
    done('get', set, '--sidecar', '--json', '-o', `${dir}-set.nii`),
    done('preview', main, '-o', `${dir}.png`),
    done('get', ...guids, '-o', `${dir}-all/`, '--json'),
    done('get', main, '--json', '-o', `${dir}-raw/`, '--level', 'raw'),
    done('ls', '--format', 'json'),
    done('stat', ...setGuids, ...xRays, main, '--json'),
  ])
  const listed = (await done('ls', '--sets', '--json')).json.rows
  t.match(listed, [{ axis: 'echo', volumes: 2, values: ECHO_TIMES }, { values: ECHO_TIMES }])
  const rows = (await done('query', 'columns>0', '--json')).json.rows as Record<string, unknown>[]
  t.equal(rows.length, 21)
  const labels = (modality: string) =>
    rows
      .filter((row) => row['modality'] === modality)
      .map((row) => String(row['volume_label']))
      .toSorted()
  t.match(
    labels('CR'),
    [/^image=#[0-9a-f]{8}$/, 'null'],
    'a label is a digest, and one with a long number is withheld',
  )
  const digest = /^imageType=#[0-9a-f]{8} echo=[12]$/
  t.match(labels('MR'), [digest, digest, /PRIMARY\/M echo=1$/, /PRIMARY\/M echo=2$/])
  // Errors are where names slip out: a refused query, a caller without rights.
  const person = planted.find(({ where }) => where === '00100010 PN')!.text
  const refusedQuery = await grid.mdm('scientist', ['query', `patient_name='${person}'`, '--json'])
  said['a query on a withheld column'] = refusedQuery.stdout.replaceAll(person, '')
  say('a stranger', await grid.mdm('stranger', ['get', main, '-o', join(grid.scratch, 'x'), '--json']))
  said['registered again'] = (await grid.ok('admin', ['register', '--json'])).stdout
  for (const [path, counted] of [
    ['metrics', /^mdm_registrations_total\{outcome="already"\} 21$/m],
    ['health', /"status":"ready"/],
  ] as const) {
    said[path] = await (await fetch(`${metrics}/${path}`)).text()
    t.match(said[path], counted)
  }

  await t.test('nor in anything that was said', async (t) => {
    for (const [what, text] of Object.entries(said))
      t.strictSame([...search.both(Buffer.from(text))], [], what)
  })

  await t.test('nor in any file that was written, or its name, or the bits of its voxels', async (t) => {
    let files = 0
    const holding = new Map<string, string[]>()
    for (const path of await filesOf(grid.scratch)) {
      const name = relative(grid.scratch, path)
      if (/^grid\/site\/site\.sqlite/.test(name)) continue
      files++
      for (const where of search.inFile(name, await readFile(path)))
        holding.set(where, [...(holding.get(where) ?? []), name])
    }
    t.ok(files > 60, `${files} files were searched`)
    const packed = new Set<string>()
    for await (const { canary } of scanPaths([`${dir}-nifti-gz`], {
      needles: search.needles,
      patterns: false,
    }))
      packed.add(planted[canary!]!.where)
    // What does stand in delivered voxels must be found in every format: else the search would find nothing anywhere.
    const voxels = ['a voxel of an X-ray', 'a voxel of an echo']
    t.strictSame([...packed].toSorted(), voxels, 'the engine sees into gzip')
    const found = (where: string) => holding.get(where)?.toSorted()
    const ofAll = (names: readonly string[]) => names.map((name) => `out-all/${name}.nrrd`)
    const fileOf = (name: string) => (file: string) => `out-${file.replace('NAME', name)}`
    const inEach = (name: string) =>
      ['metaimage/NAME.mha', 'nifti-gz/NAME.nii.gz', 'nifti/NAME.nii', 'nrrd/NAME.nrrd'].map(fileOf(name))
    const ofSet = ['nifti-gz/NAME.nii.gz', 'nrrd/NAME.nrrd', 'set.nii'].map(fileOf(set))
    const series = ['1', '2'].map((k) => `out-dicom/${echo}/0000${k}.dcm`)
    t.strictSame(found('a voxel of an echo'), [...ofAll(echoes), ...series, ...ofSet].toSorted())
    const [narrow, wide] = ['a voxel of an X-ray', 'the upper bits of an X-ray'].map(found)
    t.strictSame(
      [narrow, wide].flat().toSorted(),
      [...ofAll(xRays), ...xRays.flatMap(inEach)].toSorted(),
      'each X-ray in each format but DICOM, which refuses them',
    )
    for (const { where } of planted.filter(({ isDelivered }) => isDelivered)) holding.delete(where)
    t.strictSame(Object.fromEntries(holding), {}, 'and nothing else')
  })

  await t.test('whoever may see the Patient table sees the names, in every character set', async (t) => {
    const { rows } = (await grid.ok('admin', ['query', 'columns>0', '--json'])).json
    const seen = JSON.stringify(rows)
    for (const { where, text } of planted.filter(
      ({ where }) => where.startsWith('a name in') || where.endsWith('00100010 PN'),
    ))
      if (!where.includes('original')) t.ok(seen.includes(text), where)
  })
})

/** Gives the site a listener for its operator, on a free port. */
async function measured({ site }: Grid): Promise<void> {
  const path = join(site.dir, 'site.json')
  const config = JSON.parse(await readFile(path, 'utf8')) as object
  await writeFile(path, JSON.stringify({ ...config, metrics: { host: '127.0.0.1', port: 0 } }))
}
