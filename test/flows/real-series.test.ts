import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { readHeader } from '@mdm/server/dicom/part10/index'
import { readImageNode } from '@itk-wasm/image-io'
import t, { type Test } from 'tap'
import { startGrid, type Grid } from '../fixtures/grid.ts'
import { sharedData } from '../fixtures/shared-data.ts'

const run = promisify(execFile)

/** Series that are no volume, and what becomes of them instead (docs/formats/volume.md). */
const NO_REFERENCE = new Set(['bad-notavolume', 'bad-sliceorientation'])
/** The same objects as another series under the same UIDs, compressed in another way: one site cannot have both. */
const TWINS = new Set(['mr-rle-noise'])
/** Of one volume each; those are also written in the other formats. */
const CLASSIC = ['ct-philips-axial', 'ct-ge-3slice', 'ct-ge-tiny-even-rows', 'mr-oblique-ge']

/** Debian's python with nibabel, which the judge of the reference data needs. */
async function judge(): Promise<string | undefined> {
  const script = sharedData('compare.py')
  const ready =
    existsSync('/usr/bin/python3') &&
    (await run('/usr/bin/python3', ['-c', 'import nibabel, numpy']).then(
      () => true,
      () => false,
    ))
  if (!ready && process.env.MDM_PEERS === 'required')
    throw new Error('MDM_PEERS=required, but python3-nibabel is not there')
  return ready ? script : undefined
}

t.setTimeout(300_000)

t.test('every real series comes out of the secured path voxel by voxel right', async (t) => {
  const root = sharedData('series')
  if (root === undefined) return t.pass('skipped: the real series are not on this machine')
  const compare = await judge()
  const ids = (await readdir(root)).filter((id) => !TWINS.has(id)).sort()
  const source = t.testdir({})
  for (const id of ids) await cp(join(root, id, 'dicom'), join(source, id), { recursive: true })
  const grid = await startGrid(t, { source })

  const report = (await grid.ok('admin', ['register', '--json'])).json
  const registered: string[] = report.registered.map((v: { guid: string }) => v.guid)
  await grid.ok('admin', ['acl', 'grant', '--to', grid.users.scientist.dn, '--preset', 'process', '--json'], {
    input: registered.join('\n'),
  })
  const out = join(grid.scratch, 'out')
  await mkdir(out)
  const got = (await grid.ok('scientist', ['get', ...registered, '-o', out, '--format', 'nifti', '--json']))
    .json
  t.equal(got.files.length, registered.length)

  const first: string[] = []
  for (const id of ids) {
    const guids = await volumesOf(grid, join(source, id))
    if (CLASSIC.includes(id)) first.push(...guids)
    if (NO_REFERENCE.has(id)) {
      t.comment(`${id}: ${guids.length} volumes`)
      continue
    }
    if (compare === undefined) {
      t.comment(`skipped: nothing here can judge ${id} (python3-nibabel)`)
      continue
    }
    const files = guids.map((guid) => join(out, `${guid}.nii`))
    const verdict = await run('/usr/bin/python3', [compare, id, ...files]).then(
      ({ stdout }) => stdout.trim(),
      (error: { stdout?: string }) => error.stdout?.trim() ?? '',
    )
    t.ok(verdict.startsWith(`${id} right: `), guids.length === 0 ? `${id}: no volume` : verdict)
  }
  t.comment(JSON.stringify(report.refused))
  if (compare !== undefined) {
    await judgeOthers(t, grid, first, out)
    await openInItk(t, first, out)
  }
  await byEveryName(t, grid, got.files[0], out)
})

t.test('a series that has the UIDs of another is right at a site of its own', async (t) => {
  const root = sharedData('series')
  const compare = await judge()
  if (root === undefined || compare === undefined)
    return t.pass('skipped: the real series, or what judges them, are not on this machine')
  for (const id of TWINS) {
    const source = t.testdir({})
    await cp(join(root, id, 'dicom'), join(source, id), { recursive: true })
    const grid = await startGrid(t, { source })
    await grid.ok('admin', ['register', '--json'])
    const guids = await volumesOf(grid, join(source, id))
    const to = ['--to', grid.users.scientist.dn, '--preset', 'process']
    await grid.ok('admin', ['acl', 'grant', ...to, '--json'], { input: guids.join('\n') })
    const out = join(grid.scratch, 'out')
    await mkdir(out)
    await grid.ok('scientist', ['get', ...guids, '-o', out, '--format', 'nifti'])
    const files = guids.map((guid) => join(out, `${guid}.nii`))
    t.match((await run('/usr/bin/python3', [compare, id, ...files])).stdout, `${id} right: `)
  }
})

/** GUIDs of the volumes that a folder's series makes. */
async function volumesOf(grid: Grid, folder: string): Promise<string[]> {
  const [name] = await readdir(folder)
  const { series } = readHeader(await readFile(join(folder, name!)))
  const { rows } = (await grid.ok('admin', ['query', `series_uid='${series}'`, '--json'])).json
  return rows.map((row: { guid: string }) => row.guid)
}

/** The same volumes as .nii.gz and .mha, read by nibabel and by numpy, hold what the NIfTI files hold. */
async function judgeOthers(t: Test, grid: Grid, guids: readonly string[], out: string): Promise<void> {
  for (const format of ['nifti-gz', 'metaimage'])
    await grid.ok('scientist', ['get', ...guids, '-o', out, '--format', format])
  const pairs = guids.flatMap((guid) => [join(out, `${guid}.mha`), join(out, `${guid}.nii.gz`)])
  const script = resolve(import.meta.dirname, '../fixtures/compare-metaimage.py')
  const { stdout } = await run('/usr/bin/python3', [script, ...pairs])
  t.equal(stdout, 'same\n'.repeat(guids.length), 'MetaImage and packed NIfTI agree voxel by voxel')
  const same =
    'import sys, nibabel, numpy; a, b = (nibabel.load(f) for f in sys.argv[1:]); ' +
    'print((a.affine == b.affine).all() and numpy.array_equal(a.dataobj, b.dataobj))'
  const nii = join(out, `${guids[0]}.nii`)
  t.equal((await run('/usr/bin/python3', ['-c', same, nii, `${nii}.gz`])).stdout, 'True\n')
}

async function byEveryName(
  t: Test,
  grid: Grid,
  { guid, sha256 }: { guid: string; sha256: string },
  out: string,
): Promise<void> {
  const row = (await grid.ok('scientist', ['ls', '--json'])).json.rows.find(
    (r: { guid: string }) => r.guid === guid,
  )
  const names = { GUID: guid, LFN: row.lfn, SURL: row.surl }
  for (const [kind, name] of Object.entries(names)) {
    const again = ['get', name, '-o', join(out, 'again.nii'), '--format', 'nifti', '--json']
    t.equal((await grid.ok('scientist', again)).json.files[0].sha256, sha256, `the same voxels by ${kind}`)
  }
}

/** ITK opens each NIfTI file, also where a real stack leans a little, and finds in it what it finds in the MetaImage file. */
async function openInItk(t: Test, guids: readonly string[], out: string): Promise<void> {
  const off = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    let most = a.length === b.length ? 0 : Number.POSITIVE_INFINITY
    for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!))
    return most
  }
  for (const guid of guids) {
    const [nii, mha] = await Promise.all(
      ['.nii', '.mha'].map((end) => readImageNode(join(out, `${guid}${end}`))),
    )
    t.same(nii!.size, mha!.size, 'shape')
    t.ok(off(nii!.spacing, mha!.spacing) < 1e-5 && off(nii!.origin, mha!.origin) < 1e-3, 'spacing and origin')
    t.ok(off(nii!.direction as Float64Array, mha!.direction as Float64Array) < 1e-3, 'directions')
    t.ok(off(nii!.data as Float32Array, mha!.data as Float32Array) < 1e-3, 'values')
  }
}
