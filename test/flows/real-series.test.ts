import { execFile } from 'node:child_process'
import { cp, mkdir, readdir } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startGrid, type Grid } from '../fixtures/grid.ts'
import { sharedData } from '../fixtures/shared-data.ts'

const run = promisify(execFile)
const SERIES = [
  'ct-philips-axial',
  'ct-ge-3slice',
  'ct-ge-tiny-even-rows',
  'mr-t1-3d-isotropic',
  'mr-oblique-ge',
  'mr-ge-implicit-noise',
  'mr-fieldmap-siemens',
]

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

t.test('every real series comes out of the secured path voxel by voxel right', async (t) => {
  if (sharedData('series') === undefined) return t.pass('skipped: the real series are not on this machine')
  const compare = await judge()
  const source = t.testdir({})
  for (const id of SERIES) await cp(sharedData('series', id, 'dicom')!, join(source, id), { recursive: true })
  const grid = await startGrid(t, { source })

  const report = (await grid.ok('admin', ['register', '--json'])).json
  t.equal(report.registered.length, SERIES.length, 'every series is registered')
  t.same(report.refused, [], 'none is refused')
  const guids: string[] = report.registered.map((v: { guid: string }) => v.guid)
  await grid.ok('admin', ['acl', 'grant', '--to', grid.users.scientist.dn, '--preset', 'process', '--json'], {
    input: guids.join('\n'),
  })

  const out = join(grid.scratch, 'out')
  await mkdir(out)
  const got = (await grid.ok('scientist', ['get', ...guids, '-o', out, '--format', 'nifti', '--json'])).json
  t.equal(got.files.length, SERIES.length)
  const shapes = new Map<string, number>()
  for (const v of report.registered) shapes.set(v.guid, v.instances)

  for (const id of SERIES) {
    if (compare === undefined) {
      t.comment(`skipped: nothing here can judge ${id} (python3-nibabel)`)
      continue
    }
    const instances = (await readdir(join(source, id))).length
    const verdicts = await Promise.all(
      got.files
        .filter((f: { guid: string }) => shapes.get(f.guid) === instances)
        .map((f: { path: string }) =>
          run('/usr/bin/python3', [compare, id, f.path]).then(
            ({ stdout }) => stdout,
            () => '',
          ),
        ),
    )
    const right = verdicts.filter((v) => v.includes(' right: 1 volume(s)'))
    t.equal(right.length, 1, right[0]?.trim() ?? `${id} is not among the files`)
  }

  if (compare !== undefined) await judgeOthers(t, grid, guids, out)

  const { guid, sha256 } = got.files[0]
  const row = (await grid.ok('scientist', ['ls', '--json'])).json.rows.find(
    (r: { guid: string }) => r.guid === guid,
  )
  for (const name of [guid, row.lfn, row.surl, guid]) {
    const again = (
      await grid.ok('scientist', ['get', name, '-o', join(out, 'again.nii'), '--format', 'nifti', '--json'])
    ).json
    t.equal(
      again.files[0].sha256,
      sha256,
      `the same voxels by ${name === guid ? 'GUID' : name === row.lfn ? 'LFN' : 'SURL'}`,
    )
  }
})

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
