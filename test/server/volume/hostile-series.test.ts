import { Volume } from '@mdm/core/volume/volume'
import { writeObject } from '@mdm/server/dicom/dcmjs/write-object'
import { readHeader } from '@mdm/server/dicom/part10/index'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import { MAX_OBJECTS, planSeries } from '@mdm/server/volume/group'
import type { SeriesPlan } from '@mdm/server/volume/plan'
import t, { type Test } from 'tap'
import { refusals } from './generated.ts'

const SLICE = readHeader(
  writeObject({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
    SOPInstanceUID: '1.2.3',
    StudyInstanceUID: '1.2',
    SeriesInstanceUID: '1.2.1',
    Modality: 'CT',
    ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
    PatientID: 'MADE-UP',
    Rows: 4,
    Columns: 4,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
    ImagePositionPatient: ['0', '0', '0'],
    ImageOrientationPatient: ['1', '0', '0', '0', '1', '0'],
    PixelSpacing: ['1', '1'],
    PixelData: new Uint16Array(16).buffer,
  }),
)

/** A stack of slices 1 mm apart, of which `change` alters each. */
function stack(
  slices: number,
  change: (k: number) => Partial<InstanceHeader> = () => ({}),
): InstanceHeader[] {
  return Array.from({ length: slices }, (_, k) => ({
    ...SLICE,
    sop: `1.2.3.${k}`,
    position: [0, 0, k],
    ...change(k),
  }))
}

/** Marks of which none makes volumes. */
function manyMarks(k: number): InstanceHeader['marks'] {
  const number = (k * 7919) % 10_007
  return {
    ...{ stack: `${number}`, imageType: `${number}`, quantity: `${number}`, coil: `${number}` },
    ...{ gradient: `${number}`, echo: number, echoTime: number, repetitionTime: number, time: number },
    ...{ inversionTime: number, flipAngle: number, bValue: number, phase: number, acquisition: number },
    ...{ triggerTime: number, frameTime: number },
  }
}

/** Plans in one synchronous step, which must not hold up the server: at most 100 ms of CPU time, in the best of three. */
function planInTime(t: Test, headers: readonly InstanceHeader[]): SeriesPlan {
  let plan: SeriesPlan | undefined
  const times = [1, 2, 3].map(() => {
    const before = process.threadCpuUsage()
    plan = planSeries(headers)
    const { user, system } = process.threadCpuUsage(before)
    return (user + system) / 1000
  })
  t.ok(Math.min(...times) <= 100, `${Math.min(...times)} ms`)
  return plan!
}

t.test('a series of as many slices as may be is planned in good time', async (t) => {
  const { volumes, refused } = planInTime(t, stack(MAX_OBJECTS).reverse())
  t.same(refused, [])
  t.equal(volumes[0]!.slices.length, MAX_OBJECTS)
})

t.test('a series of a hundred thousand is refused for its length alone', async (t) => {
  t.same(refusals(planInTime(t, stack(100_000))), [['MDM_SEVERAL_VOLUMES', 100_000]])
})

t.test(
  'a series of few objects with very many frames is refused for their number, sound or not',
  async (t) => {
    const frameTable = { frames: 10_000, numbers: {}, texts: {} }
    const series = stack(41, () => ({ frames: 10_000, functionalGroups: true, frameTable }))
    t.same(refusals(planInTime(t, series)), [['MDM_SEVERAL_VOLUMES', 41]])
  },
)

t.test('no kind of a long series takes long', async (t) => {
  const keys = ['PatientID', 'PatientName', 'StudyDescription', 'SeriesDescription', 'StudyID', 'StationName']
  // as long as a header may be, and no value shares its memory with that of another object
  const long = (): Partial<InstanceHeader> => ({
    text: Object.fromEntries(keys.map((key) => [key, Buffer.alloc(1024, key).toString()])),
    imageType: Buffer.alloc(62, 'X\\').toString().split('\\'),
    marks: { ...SLICE.marks, imageType: Buffer.alloc(62, 'X\\').toString() },
  })
  const kinds: Record<string, [code: string, change: (k: number) => Partial<InstanceHeader>]> = {
    'one object again and again': ['MDM_GEOMETRY', () => ({ sop: '1.2', position: [0, 0, 0], ...long() })],
    'objects that differ under one name': ['MDM_CONFLICT', (k) => ({ sop: '1.2', ...long(), rows: k })],
    'pairs of objects under one name': ['MDM_CONFLICT', (k) => ({ sop: `1.${k >> 1}`, ...long() })],
    'each of another SOP class': ['MDM_GEOMETRY', (k) => ({ sopClass: `1.2.${k}` })],
    'each of another SOP class, half of them damaged': [
      'MDM_DICOM',
      (k) => ({
        sopClass: `1.2.${k}`,
        sliceThickness: 1,
        ...(k % 2 === 0 && { fault: 'MDM_DICOM' as const }),
      }),
    ],
    'each of another SOP class, each a volume': [
      'MDM_SEVERAL_VOLUMES',
      (k) => ({ sopClass: `1.2.${k}`, sliceThickness: 1 }),
    ],
    'each mark of each another': [
      'MDM_SEVERAL_VOLUMES',
      (k) => ({ position: [0, 0, k >> 1], instanceNumber: k, marks: manyMarks(k) }),
    ],
    'all at one place': ['MDM_SEVERAL_VOLUMES', () => ({ position: [0, 0, 0] })],
    'all image types long': [
      'MDM_SEVERAL_VOLUMES',
      (k) => ({ ...long(), ...(k === 0 && { marks: { imageType: 'X' } }) }),
    ],
    'with a gap at the end': [
      'MDM_GEOMETRY_GAP',
      (k) => (k === MAX_OBJECTS - 1 ? { position: [0, 0, 2 * k] } : {}),
    ],
  }
  for (const [kind, [code, change]] of Object.entries(kinds)) {
    const { volumes, refused } = planInTime(t, stack(MAX_OBJECTS, change))
    t.same([volumes.length, refused[0]?.code], [0, code], kind)
  }
})

t.test('numbers out of all bounds are refused, and never make a volume', async (t) => {
  const changes: readonly (readonly [code: string, change: Partial<InstanceHeader>])[] = [
    ['MDM_GEOMETRY', { position: [0, 0, 1e308] }],
    ['MDM_GEOMETRY', { position: [-1e308, 1e308, 1e308] }],
    ['MDM_GEOMETRY', { position: [0, 0, Number.NaN] }],
    ['MDM_GEOMETRY', { position: [0, 0, Infinity] }],
    ['MDM_GEOMETRY', { orientation: [1e308, 0, 0, 0, 1e308, 0] }],
    ['MDM_GEOMETRY', { orientation: [Number.NaN, 0, 0, 0, 1, 0] }],
    ['MDM_GEOMETRY', { pixelSpacing: [1e308, 1e308] }],
    ['MDM_GEOMETRY', { pixelSpacing: [5e-324, 5e-324] }],
    ['MDM_GEOMETRY', { pixelSpacing: [-1, 1] }],
    ['MDM_RESCALE', { slope: 1e308 }],
    ['MDM_RESCALE', { slope: 5e-324 }],
    ['MDM_RESCALE', { intercept: -1e308 }],
    ['MDM_DICOM', { frames: 0 }],
    ['MDM_DICOM', { frames: -1 }],
    ['MDM_DICOM', { frames: 1e-300 }],
    ['MDM_DICOM', { frames: 1e300 }],
    ['MDM_DICOM', { rows: 65_535, columns: 65_535, bitsAllocated: 32 }],
    ['MDM_DICOM', { rows: 0 }],
    ['MDM_PIXELS', { rows: 65_535, columns: 65_535, pixelData: { offset: 1000, length: 2 ** 34 } }],
  ]
  for (const [code, change] of changes) {
    for (const slices of [1, 6]) {
      const { volumes, refused } = planSeries(stack(slices, () => ({ sliceThickness: 1, ...change })))
      const codes = refused.map((refusal) => refusal.code)
      t.equal(volumes.length, 0, JSON.stringify(change))
      t.ok(codes.includes(code as never), `${JSON.stringify(change)}: ${codes.join()}`)
    }
  }
  t.equal(planSeries(stack(1, () => ({ sliceThickness: 1e308 }))).refused[0]?.code, 'MDM_GEOMETRY')
  const [plan] = planSeries(stack(6, (k) => ({ position: [0, 0, 9e5 + k] }))).volumes
  t.ok(Volume.safeParse(plan!.volume).success, 'far away, but a place')
})
