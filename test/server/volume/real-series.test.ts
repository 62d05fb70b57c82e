import { convert } from '@mdm/core/volume/formats/index'
import { parseNrrdHeader } from '@mdm/core/volume/formats/nrrd'
import { spacing, type Volume } from '@mdm/core/volume/volume'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { sharedData } from '../../fixtures/shared-data.ts'
import { collect, plaintextOf, planOnly } from './plaintext.ts'

/** Series, and how many volumes each holds. */
const VOLUMES: Readonly<Record<string, number>> = {
  'ct-philips-axial': 1,
  'ct-ge-3slice': 1,
  'ct-ge-tiny-even-rows': 1,
  'ct-siemens-tilt-noise': 1,
  'mr-t1-3d-isotropic': 1,
  'mr-oblique-ge': 1,
  'mr-ge-implicit-noise': 1,
  'mr-fieldmap-siemens': 1,
  'mr-dwi-ge': 7,
  'mr-fmri-ge': 10,
  'mr-fmri-philips-classic-noise': 4,
  'mr-enhanced-philips-fieldmap': 2,
  'mr-enhanced-philips-noise': 1,
  'mr-enhanced-siemens-xa10': 4,
  'mr-t1-enhanced-siemens-xa30-a': 1,
  'mr-jpeg2000-noise': 1,
  'mr-rle-noise': 1,
  'mr-t1-siemens-jpegll-fragmented': 1,
  'mr-dti-uih-grid': 17,
  'mr-epi-siemens-mosaic': 2,
  'mr-mosaic-sagittal': 2,
  'pt-derived-varying-slope': 1,
}

/** Of magnitude and field, which are no set. */
const APART = new Set(['mr-enhanced-philips-fieldmap'])

/** Of two orientations, which make a volume each. */
const SPLIT = 'bad-sliceorientation'

/** Every other series, and why there is no volume of it. */
const REFUSED: Readonly<Record<string, string>> = {
  'bad-notavolume': 'MDM_SEVERAL_VOLUMES',
}

const PYTHON = '/usr/bin/python3'
const nibabel = spawnSync(PYTHON, ['-c', 'import nibabel']).status === 0

const root = sharedData('series')
if (root === undefined) t.pass('skipped: the real test data is not there')
else {
  const manifest = JSON.parse(readFileSync(join(root, '../MANIFEST.json'), 'utf8'))
  const open = (id: string) => folderSource('real', join(root, id, 'dicom'))

  for (const [id, count] of Object.entries(VOLUMES)) {
    t.test(
      `${id}: ${count === 1 ? 'the volume holds' : `the ${count} volumes hold`} what the series holds`,
      async (t) => {
        const stack = manifest.series.find((series: { id: string }) => series.id === id).pydicom_stack
        const source = open(id)
        const { ref, plan } = await planOnly(source)
        t.same(plan.refused, [])
        t.equal(plan.volumes.length, count)
        t.equal(new Set(plan.volumes.map(({ label }) => label)).size, count, 'each has a label of its own')
        const inSets = count === 1 || APART.has(id) ? 0 : count
        t.equal(plan.sets.flatMap(({ members }) => members).length, inSets, 'all are in a set')
        const digests = { stored: [] as string[], rescaled: [] as string[] }
        const files: Buffer[] = []
        for (const volumePlan of plan.volumes) {
          const { volume } = volumePlan
          const pieces = await plaintextOf(source, ref, volumePlan)
          const voxels = Buffer.concat(pieces.slice(1))
          digests.stored.push(sha256(voxels))
          digests.rescaled.push(sha256(rescaled(voxels, volume)))
          if (stack.sha256_stored_kji !== undefined) checkGeometry(t, volume, stack)
          const plaintext = Buffer.concat(pieces)
          t.equal(plaintext.length, volumePlan.plaintextBytes)
          t.same(parseNrrdHeader(plaintext), { volume, headerBytes: volumePlan.header.length })
          const nifti = Buffer.concat(await collect(convert('nifti', chunks(plaintext))))
          t.ok(nifti.subarray(352).equals(voxels), 'NIfTI voxels')
          files.push(nifti)
        }
        if (stack.sha256_stored_kji !== undefined) {
          t.same(digests.rescaled.sort(), stack.sha256_rescaled_float32_kji.toSorted(), 'values')
          if (plan.volumes[0]!.volume.type !== 'float32')
            t.same(digests.stored.sort(), stack.sha256_stored_kji.toSorted(), 'stored values')
        }
        compareOutside(t, id, files)
      },
    )
  }

  t.test(`${SPLIT}: each of the two orientations is a volume`, async (t) => {
    const { plan } = await planOnly(open(SPLIT))
    t.same(plan.refused, [])
    t.same(
      plan.volumes.map(({ volume }) => [volume.columns, volume.rows, volume.slices]),
      [
        [288, 288, 2],
        [288, 288, 2],
      ],
    )
    t.same(plan.sets, [])
  })

  for (const [id, code] of Object.entries(REFUSED)) {
    t.test(`${id} is refused as ${code}`, async (t) => {
      const { plan } = await planOnly(open(id))
      t.same(plan.volumes, [])
      t.same(
        plan.refused.map((refusal) => refusal.code),
        [code],
      )
      t.equal(plan.refused[0]!.instances, readdirSync(join(root, id, 'dicom')).length)
    })
  }

  t.test('every series of the data is in one of the two lists', async (t) => {
    t.same([...Object.keys(VOLUMES), ...Object.keys(REFUSED), SPLIT].sort(), readdirSync(root).sort())
  })
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const WORDS = { int16: Int16Array, uint16: Uint16Array, float32: Float32Array }

/** Our own reading of the values: stored * slope + intercept in double, then float32. */
function rescaled(voxels: Buffer, { type, slope, intercept }: Volume): Uint8Array {
  const words = Uint8Array.from(voxels).buffer
  const stored = new WORDS[type as keyof typeof WORDS](words)
  return new Uint8Array(Float32Array.from(stored, (value) => value * slope + intercept).buffer)
}

function checkGeometry(t: Test, volume: Volume, stack: Record<string, any>): void {
  t.same([volume.columns, volume.rows, volume.slices], [stack.columns, stack.rows, stack.slices])
  if (stack.distinct_rescale === 1) t.equal(volume.type, stack.dtype === '<i2' ? 'int16' : 'uint16')
  const [column, row, slice] = volume.spaceDirections
  const steps = spacing(volume)
  near(t, steps.slice(0, 2), [stack.column_spacing, stack.row_spacing], 1e-5, 'pixel spacing')
  near(
    t,
    column,
    stack.direction_columns_LPS[0].map((x: number) => x * steps[0]),
    1e-5,
    'column step',
  )
  near(
    t,
    row,
    stack.direction_columns_LPS[1].map((x: number) => x * steps[1]),
    1e-5,
    'row step',
  )
  near(t, volume.origin, stack.origin_LPS, 1e-9, 'origin')
  const last = volume.origin.map((x, axis) => x + slice[axis]! * (volume.slices - 1))
  near(t, last, stack.last_slice_origin_LPS, 1e-9, 'last slice')
}

function near(
  t: Test,
  found: readonly number[],
  wanted: readonly number[],
  tolerance: number,
  what: string,
): void {
  const off = Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)))
  t.ok(off <= tolerance, `${what} is off by ${off}`)
}

/** The plaintext as a network would bring it, in odd pieces. */
async function* chunks(plaintext: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < plaintext.length; at += 65_521) yield plaintext.subarray(at, at + 65_521)
}

/** nibabel's reading of the NIfTI files, against the references of the data. */
function compareOutside(t: Test, id: string, niftis: readonly Buffer[]): void {
  if (!nibabel) return void t.pass('skipped: no nibabel here')
  const dir = t.testdir()
  const files = niftis.map((nifti, i) => {
    const file = join(dir, `${id}-${i}.nii`)
    writeFileSync(file, nifti)
    return file
  })
  const judge = join(root!, '../compare.py')
  t.match(execFileSync(PYTHON, [judge, id, ...files], { encoding: 'utf8' }), ' right: ')
}
