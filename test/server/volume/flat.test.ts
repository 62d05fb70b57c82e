import { voxelBytes } from '@mdm/core/volume/volume'
import type { Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import t from 'tap'
import { planned, refusals } from './generated.ts'
import { plaintextOf } from './plaintext.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
const nowhere: Attributes = {
  SOPClassUID: CR,
  Modality: 'CR',
  ImagePositionPatient: undefined,
  ImageOrientationPatient: undefined,
}

t.test('X-rays that say nothing of a place are a volume each, which says so', async (t) => {
  const { source, written, plan } = await planned(t.testdir(), { slices: 3, attributes: () => nowhere })
  t.same(refusals(plan), [])
  t.same(plan.sets, [], 'nobody says that they belong together')
  t.same(plan.volumes.map(({ label }) => label).sort(), ['image=1', 'image=2', 'image=3'])
  for (const one of plan.volumes) {
    t.match(one.volume, { unplaced: 'mm', columns: 4, rows: 3, slices: 1, origin: [0, 0, 0] })
    t.same(one.volume.spaceDirections, [[0.5, 0, 0], [0, 0.75, 0], [0, 0, 2]]) // prettier-ignore
    const { space_origin, space_directions, slice_spacing, column_spacing } = one.tables.image
    t.same([space_origin, space_directions, slice_spacing, column_spacing], [null, null, null, 0.5])
    const [, voxels] = await plaintextOf(source, written, one)
    t.equal(voxels?.length, voxelBytes(one.volume), 'it is delivered')
  }
})

t.test('where the size of a pixel is not said, or only at the detector, steps count pixels', async (t) => {
  const detector = { ...nowhere, PixelSpacing: undefined, ImagerPixelSpacing: ['0.1', '0.1'] }
  const { plan } = await planned(t.testdir(), { slices: 1, attributes: () => detector })
  const [{ volume, tables }] = plan.volumes as [(typeof plan.volumes)[0]]
  t.equal(volume.unplaced, 'pixels')
  t.same(volume.spaceDirections, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]) // prettier-ignore
  t.same([tables.image.column_spacing, tables.image.row_spacing], [null, null])
})

t.test('images of one number are told apart by a digest, never by a UID', async (t) => {
  const { plan, written } = await planned(t.testdir(), {
    slices: 2,
    attributes: () => ({ ...nowhere, InstanceNumber: '7' }),
  })
  const labels = plan.volumes.map(({ label }) => label)
  t.equal(new Set(labels).size, 2)
  for (const label of labels) t.match(label, /^image=#[0-9a-f]{8}$/)
  t.notOk(labels.some((label) => label.includes(written.series)))
})

t.test('a refused image takes no other with it', async (t) => {
  const { plan } = await planned(t.testdir(), {
    slices: 3,
    attributes: (k) => (k === 1 ? { ...nowhere, BitsStored: 40 } : nowhere),
  })
  t.equal(plan.volumes.length, 2)
  t.same(refusals(plan), [['MDM_PIXELS', 1]])
})

t.test('a CT, an MR or a half of a place is refused as before', async (t) => {
  const ct = { ImagePositionPatient: undefined, ImageOrientationPatient: undefined }
  const half = { ...nowhere, ImageOrientationPatient: ['1', '0', '0', '0', '1', '0'] }
  for (const attributes of [ct, half]) {
    const { plan } = await planned(t.testdir(), { slices: 2, attributes: () => attributes })
    t.same(refusals(plan), [['MDM_GEOMETRY', 2]])
  }
})
