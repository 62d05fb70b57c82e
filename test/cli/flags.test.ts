import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseExpiry, parseSlices, parseVersions } from '../../packages/cli/src/flags.ts'
import { pathOf, planOutput } from '../../packages/cli/src/output-plan.ts'

const usage = { code: 'MDM_USAGE' }

t.test('slices are A-B or one number, never backwards', async (t) => {
  t.strictSame(parseSlices('2-10'), [2, 10])
  t.strictSame(parseSlices('7'), [7, 7])
  for (const bad of ['', '5-2', '-1', 'a-b', '1-', '1-2-3', '1.5', '0x1', '9999999'])
    t.throws(() => parseSlices(bad), usage, bad)
})

t.test('an expiry is days, hours or a date, and lies ahead', async (t) => {
  const now = new Date('2026-01-01T00:00:00Z')
  t.equal(parseExpiry('30d', now), '2026-01-31T00:00:00.000Z')
  t.equal(parseExpiry('12h', now), '2026-01-01T12:00:00.000Z')
  t.equal(parseExpiry('2027-01-31', now), '2027-01-31T00:00:00.000Z')
  for (const bad of ['', '0d', '30', 'tomorrow', '1', '2025-01-01', '2026-13-01', '-1d'])
    t.throws(() => parseExpiry(bad, now), usage, bad)
})

t.test('versions are all, or numbers in order and once', async (t) => {
  t.equal(parseVersions('all'), 'all')
  t.strictSame(parseVersions('3, 1,3'), [1, 3])
  for (const bad of ['', '0', '1,', 'x', '-1', '1.5']) t.throws(() => parseVersions(bad), usage, bad)
})

t.test('-o, --level and --format are decided before anything is fetched', async (t) => {
  const dir = t.testdir()
  await mkdir(join(dir, 'there'))
  const plan = (output: string | undefined, o: object = {}, count = 1) =>
    planOutput(count, { output, sliced: false, ...o })

  t.match(
    await plan(join(dir, 'a.nii')),
    { kind: 'file', level: 'decrypt', format: 'nifti' },
    'the extension tells',
  )
  t.match(await plan(join(dir, 'a.NRRD')), { kind: 'file', format: 'nrrd' })
  t.match(await plan(join(dir, 'a.nii.gz')), { kind: 'file', format: 'nifti-gz' })
  t.match(await plan(join(dir, 'a.mha')), { kind: 'file', format: 'metaimage' })
  t.match(await plan(join(dir, 'a.mdm')), { kind: 'file', level: 'raw' })
  t.match(
    await plan(join(dir, 'a.mdm'), { format: 'nifti' }),
    { level: 'decrypt', format: 'nifti' },
    'a flag is stronger',
  )
  t.match(await plan(join(dir, 'a.nii'), { format: 'nrrd' }), { format: 'nrrd' })
  t.match(await plan('-'), { kind: 'stdout', format: 'nrrd' })
  t.match(await plan(undefined), { kind: 'folder', path: './' })
  t.match(await plan(join(dir, 'there'), {}, 5), { kind: 'folder' }, 'a folder that is there')
  t.match(await plan(join(dir, 'new/'), {}, 5), { kind: 'folder' }, 'a folder that will be')

  await t.rejects(plan(join(dir, 'a.nii'), {}, 2), usage, 'two volumes, one file')
  await t.rejects(plan('-', {}, 2), usage, 'two volumes, one stream')
  await t.rejects(plan(join(dir, 'no', 'a.nii')), usage, 'no such folder')
  for (const name of ['a.nrrd.gz', 'a.mhd', 'a.nhdr', 'a.dcm'])
    await t.rejects(plan(join(dir, name)), usage, 'not a format of ours')
  await t.rejects(plan(join(dir, 'a.mdm'), { level: 'raw', format: 'nifti' }), usage)
  await t.rejects(plan(join(dir, 'a.mdm'), { level: 'raw', sliced: true }), usage)
})

t.test('files in a folder are called by GUID and what they hold', async (t) => {
  const folder = { kind: 'folder', path: 'out', level: 'decrypt', format: 'nifti' } as const
  t.equal(pathOf(folder, 'g@2'), join('out', 'g@2.nii'))
  t.equal(pathOf({ ...folder, format: 'nifti-gz' }, 'g'), join('out', 'g.nii.gz'))
  t.equal(pathOf({ ...folder, format: 'metaimage' }, 'g'), join('out', 'g.mha'))
  t.equal(pathOf({ ...folder, level: 'raw' }, 'g'), join('out', 'g.mdm'))
  t.equal(pathOf(folder, '../../etc/passwd'), join('out', 'passwd.nii'), 'a name never climbs out')
  t.equal(pathOf({ ...folder, kind: 'file', path: 'x.nii' }, 'g'), 'x.nii')
})
