import { type AXIAL, writeSeries, type SeriesOptions } from '@mdm/server/dicom/dcmjs/write-series'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import { copyFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { at, only, planned, refusals, small } from './generated.ts'
import { planOnly } from './plaintext.ts'

t.test('slices are ordered along the normal, whatever InstanceNumber and file names say', async (t) => {
  const { plan, written } = await planned(t.testdir(), { fileName: (k) => `${9 - k}.dcm` })
  t.same(plan.refused, [])
  const [volume] = plan.volumes
  t.same(
    volume!.slices.map((slice) => slice.sop),
    written.sops,
  )
  t.same(volume!.volume, {
    columns: 4,
    rows: 3,
    slices: 6,
    type: 'uint16',
    spaceDirections: [
      [0.5, 0, 0],
      [0, 0.75, 0],
      [0, 0, 2],
    ],
    origin: [0, 0, 0],
    slope: 1,
    intercept: -1024,
    units: 'HU',
    modality: 'CT',
  })
})

t.test('the normal decides: a stack written from head to foot begins at the foot', async (t) => {
  const { plan } = await planned(t.testdir(), { attributes: (k) => at(100 - 2 * k) })
  t.same(plan.volumes[0]!.volume.origin, [0, 0, 90])
  t.same(plan.volumes[0]!.volume.spaceDirections[2], [0, 0, 2])
})

const cases: Record<string, [Partial<SeriesOptions>, [string, number][]]> = {
  'a slice missing in the middle': [
    { attributes: (k) => at(k < 3 ? 2 * k : 2 * k + 2) },
    [['MDM_GEOMETRY_GAP', 6]],
  ],
  'a slice missing among three': [
    { slices: 3, attributes: (k) => at(k === 2 ? 6 : 2 * k) },
    [['MDM_GEOMETRY_GAP', 3]],
  ],
  'gaps uneven by 5 %': [{ attributes: only(5, at(10.1 + 0.1)) }, [['MDM_GEOMETRY_GAP', 6]]],
  'every position twice, and nothing to tell which is which': [
    { attributes: (k) => ({ ...at(2 * Math.floor(k / 2)), InstanceNumber: '' }) },
    [['MDM_SEVERAL_VOLUMES', 6]],
  ],
  'one position twice': [{ attributes: only(5, at(8)) }, [['MDM_SEVERAL_VOLUMES', 6]]],
  'two echoes at different places': [
    { attributes: (k) => ({ EchoNumbers: String(1 + (k % 2)) }) },
    [['MDM_SEVERAL_VOLUMES', 6]],
  ],
  'magnitude and phase at different places': [
    { attributes: only(1, { ImageType: ['ORIGINAL', 'PRIMARY', 'P'] }) },
    [['MDM_SEVERAL_VOLUMES', 6]],
  ],
  'another orientation': [
    { attributes: only(2, { ImageOrientationPatient: ['0', '1', '0', '0', '0', '-1'] }) },
    [['MDM_GEOMETRY', 6]],
  ],
  'another pixel spacing': [
    { attributes: only(2, { PixelSpacing: ['0.75', '0.6'] }) },
    [['MDM_GEOMETRY', 6]],
  ],
  'another frame of reference': [
    { attributes: only(2, { FrameOfReferenceUID: '1.2.3' }) },
    [['MDM_GEOMETRY', 6]],
  ],
  'no position anywhere': [
    { attributes: () => ({ ImagePositionPatient: undefined }) },
    [['MDM_GEOMETRY', 6]],
  ],
  'no position in one': [
    { attributes: only(2, { ImagePositionPatient: undefined }) },
    [
      ['MDM_GEOMETRY', 1],
      ['MDM_GEOMETRY_GAP', 5],
    ],
  ],
  'an orientation that is none': [
    { attributes: () => ({ ImageOrientationPatient: ['1', '0', '0', '1', '0', '0'] }) },
    [['MDM_GEOMETRY', 6]],
  ],
  'a slice beside the stack': [{ attributes: only(3, at(6, 0.5)) }, [['MDM_GEOMETRY', 6]]],
  'a stack that lies down': [{ attributes: (k) => at(2 * k, 0, 2.1 * k) }, [['MDM_GEOMETRY_TILT', 6]]],
  'another unit in one slice': [{ attributes: only(2, { RescaleType: 'OD' }) }, [['MDM_RESCALE', 6]]],
  'a slope of zero': [{ attributes: () => ({ RescaleSlope: '0' }) }, [['MDM_RESCALE', 6]]],
  'white shown for the lowest value in one slice': [
    { attributes: only(2, { PhotometricInterpretation: 'MONOCHROME1' }) },
    [['MDM_PIXELS', 6]],
  ],
  'more frames than pixels': [{ attributes: () => ({ NumberOfFrames: '2' }) }, [['MDM_DICOM', 6]]],
  'a mosaic that does not say where its tiles lie': [
    { attributes: () => ({ ImageType: ['ORIGINAL', 'PRIMARY', 'M', 'MOSAIC'] }) },
    [['MDM_GEOMETRY', 6]],
  ],
  'a UIH grid that does not say where its tiles lie': [
    { attributes: () => ({ ImageType: ['ORIGINAL', 'PRIMARY', 'M', 'VFRAME'] }) },
    [['MDM_GEOMETRY', 6]],
  ],
  'a number of frames that is none': [{ attributes: () => ({ NumberOfFrames: '0' }) }, [['MDM_DICOM', 6]]],
  'colour of one sample': [
    { attributes: () => ({ PhotometricInterpretation: 'RGB', BurnedInAnnotation: 'NO' }) },
    [['MDM_PIXELS', 6]],
  ],
  'a palette': [
    { attributes: () => ({ PhotometricInterpretation: 'PALETTE COLOR', BurnedInAnnotation: 'NO' }) },
    [['MDM_PIXELS', 6]],
  ],
  'three samples': [{ attributes: () => ({ SamplesPerPixel: 3 }) }, [['MDM_PIXELS', 6]]],
  '12 bits allocated': [
    { attributes: () => ({ BitsAllocated: 12, BitsStored: 12, HighBit: 11 }) },
    [['MDM_PIXELS', 6]],
  ],
  'more bits stored than allocated': [{ attributes: () => ({ BitsStored: 17 }) }, [['MDM_PIXELS', 6]]],
  'a high bit below the bits stored': [{ attributes: () => ({ HighBit: 7 }) }, [['MDM_PIXELS', 6]]],
  'a modality table beside a slope': [
    {
      attributes: () => ({
        ModalityLUTSequence: [
          { LUTDescriptor: [2, 0, 16], ModalityLUTType: 'US', LUTData: new Uint16Array([1, 2]).buffer },
        ],
      }),
    },
    [['MDM_RESCALE', 6]],
  ],
  'more rows than pixels': [{ attributes: () => ({ Rows: 300 }) }, [['MDM_DICOM', 6]]],
  'two patients in one series': [
    { attributes: only(2, { PatientID: 'SOMEONE ELSE' }) },
    [['MDM_CONFLICT', 6]],
  ],
  'a structured report': [
    {
      slices: 1,
      attributes: () => ({
        SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.11',
        Modality: 'SR',
        PixelData: undefined,
      }),
    },
    [['MDM_NOT_AN_IMAGE', 1]],
  ],
  'a segmentation': [
    { slices: 1, attributes: () => ({ SOPClassUID: '1.2.840.10008.5.1.4.1.1.66.4', Modality: 'SEG' }) },
    [['MDM_NOT_AN_IMAGE', 1]],
  ],
  'no pixels at all': [{ attributes: () => ({ PixelData: undefined }) }, [['MDM_NOT_AN_IMAGE', 6]]],
  'a single slice of unknown thickness': [
    { slices: 1, attributes: () => ({ SliceThickness: undefined }) },
    [['MDM_GEOMETRY', 1]],
  ],
}
for (const [what, [options, wanted]] of Object.entries(cases)) {
  t.test(`${what}: ${wanted.map(([code]) => code).join(', ')}`, async (t) => {
    const { plan } = await planned(t.testdir(), options)
    t.same(refusals(plan), wanted)
    t.same(plan.volumes, [])
  })
}

t.test('positions that differ by little are one stack', async (t) => {
  const { plan } = await planned(t.testdir(), {
    attributes: (k) => at(7 * k + (k % 2) * 0.05, 0, (k % 2) * 0.04),
  })
  t.same(plan.refused, [])
  t.same(plan.volumes[0]!.volume.slices, 6)
})

t.test('a stack may run straight up in steps of any direction of its planes', async (t) => {
  const orientation = [0, 1, 0, 0, 0, -1] as typeof AXIAL
  const { plan } = await planned(t.testdir(), { orientation, origin: [5, 6, 7] })
  t.same(plan.volumes[0]!.volume.spaceDirections[2], [-2, 0, 0])
  t.same(plan.volumes[0]!.volume.origin, [5, 6, 7])
})

t.test('a single slice is as thick as it says', async (t) => {
  const { plan } = await planned(t.testdir(), {
    slices: 1,
    attributes: () => ({ SliceThickness: '3', SpacingBetweenSlices: '9' }),
  })
  t.same(plan.volumes[0]!.volume.spaceDirections[2], [0, 0, 3])
})

t.test('the same object twice counts once', async (t) => {
  const dir = t.testdir()
  const { written } = await planned(dir)
  copyFileSync(written.files[2]!, join(dir, 'again'))
  const { plan } = await planOnly(folderSource('copy', dir))
  t.equal(plan.volumes[0]!.slices.length, 6)
})

t.test('two different objects under one SOPInstanceUID are MDM_CONFLICT, and the rest waits', async (t) => {
  const { plan } = await planned(t.testdir(), { sop: (k) => (k === 5 ? '1.2.4' : `1.2.${k}`) })
  t.same(refusals(plan), [
    ['MDM_CONFLICT', 2],
    ['MDM_CONFLICT', 4],
  ])
})

t.test('a damaged last slice holds back the others, whose own fate is said', async (t) => {
  const dir = t.testdir()
  const { written } = await planned(dir)
  truncateSync(written.files[5]!, 900)
  const { plan } = await planOnly(folderSource('cut', dir))
  t.same(plan.volumes, [])
  t.same(refusals(plan), [
    ['MDM_DICOM', 1],
    ['MDM_DICOM', 5],
  ])
})

t.test('a report in the series does not hold back its volume', async (t) => {
  const dir = t.testdir()
  await writeSeries(dir, small())
  const report = { SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.11', Modality: 'SR', PixelData: undefined }
  await writeSeries(
    dir,
    small({ slices: 1, sop: () => '1.2.3', fileName: () => 'report', attributes: () => report }),
  )
  const { plan } = await planOnly(folderSource('mixed', dir))
  t.equal(plan.volumes[0]?.slices.length, 6)
  t.same(refusals(plan), [['MDM_NOT_AN_IMAGE', 1]])
})

t.test('images of two SOP classes are two volumes', async (t) => {
  const { plan } = await planned(t.testdir(), {
    attributes: (k) => (k < 3 ? {} : { SOPClassUID: '1.2.840.10008.5.1.4.1.1.4' }),
  })
  t.same(plan.refused, [])
  t.same(
    plan.volumes.map(({ slices }) => slices.length),
    [3, 3],
  )
})

t.test('reasons hold no value of a header but positions and counts', async (t) => {
  for (const [what, [options]] of Object.entries(cases)) {
    const patient = { name: 'CANARY^NAME', id: 'CANARYID', birthDate: '19010203' }
    const { plan, written } = await planned(t.testdir(), { ...options, patient })
    const text = JSON.stringify(plan.refused)
    for (const secret of ['CANARY', '1901', written.study, written.series, ...written.sops]) {
      t.notOk(text.includes(secret), `${what}: ${secret}`)
    }
  }
})
