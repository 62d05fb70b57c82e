import { readImageNode } from '@itk-wasm/image-io'
import { requireDicom } from '@mdm/core/volume/dicom-series/slice'
import { metaimageHeader, niftiHeader, nrrdHeader, parseNrrdHeader } from '@mdm/core/volume/formats/index'
import { VoxelType, type Volume } from '@mdm/core/volume/volume'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { fileOf, sampleVolume, sampleVoxels } from './samples.ts'

const unplaced = (type: VoxelType, in_: 'mm' | 'pixels'): Volume =>
  sampleVolume('axial', {
    type,
    origin: [0, 0, 0],
    slices: 1,
    ...(in_ === 'pixels' && { spaceDirections: [[1, 0, 0], [0, 1, 0], [0, 0, 1]] }), // prettier-ignore
    unplaced: in_,
  })

t.test('the header says no place, and reads back as the same volume', async (t) => {
  for (const type of VoxelType.options)
    for (const steps of ['mm', 'pixels'] as const) {
      const volume = unplaced(type, steps)
      const header = nrrdHeader(volume)
      t.same(parseNrrdHeader(header), { volume, headerBytes: header.length }, `${type}, in ${steps}`)
      t.notMatch(header.toString(), /^space/m, 'nothing of a space')
      t.match(header.toString(), `unplaced:=${steps}\n`)
    }
})

t.test('a header that says both is refused', async (t) => {
  const placed = nrrdHeader(sampleVolume('axial', { type: 'int16' })).toString()
  const flat = nrrdHeader(unplaced('int16', 'mm')).toString()
  for (const text of [
    placed.replace('\n\n', '\nunplaced:=mm\n\n'),
    flat.replace('unplaced:=mm\n', ''),
    flat.replace('unplaced:=mm', 'unplaced:=feet'),
    flat.replace('spacings:', 'space: left-posterior-superior\nspacings:'),
    flat.replace(/spacings: \S+/, 'spacings: NaN'),
  ])
    t.throws(() => parseNrrdHeader(Buffer.from(text)), { code: 'MDM_INTEGRITY' })
})

t.test('NIfTI says that neither matrix holds; of pixels of unknown size not even a unit', async (t) => {
  for (const [steps, unit] of [
    ['mm', 2],
    ['pixels', 0],
  ] as const) {
    // prettier-ignore
    const header = niftiHeader(unplaced('int16', steps))
    t.same([header.readInt16LE(252), header.readInt16LE(254)], [0, 0], 'qform and sform')
    t.equal(header.readUInt8(123), unit)
    t.ok(header.subarray(256, 328).every((byte) => byte === 0))
  }
})

t.test('MetaImage says that the orientation is not known, and DICOM images need a place', async (t) => {
  t.match(metaimageHeader(unplaced('uint8', 'mm')).toString(), 'AnatomicalOrientation = ???\n')
  t.throws(() => requireDicom(unplaced('uint8', 'mm')), { code: 'MDM_USAGE' })
})

t.test('ITK opens what is unplaced, with its steps', async (t) => {
  for (const [format, ending] of [
    ['nrrd', '.nrrd'],
    ['nifti', '.nii'],
    ['metaimage', '.mha'],
  ] as const)
    // prettier-ignore
    for (const type of ['int16', 'rgb24'] as const) {
      const volume = unplaced(type, 'mm')
      const path = join(t.testdir(), `v${ending}`)
      await writeFile(path, await fileOf(format, volume, sampleVoxels(volume)))
      const image = await readImageNode(path)
      t.same(image.size, [5, 4, 1], `${format} ${type}`)
      t.same(image.spacing.map((x) => Number(x.toFixed(5))), [0.7, 0.8, 2.5]) // prettier-ignore
    }
})
