import { readFile } from 'node:fs/promises'
import { writeEnhanced, type EnhancedOptions } from '@mdm/server/dicom/dcmjs/write-enhanced'
import type { Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import { readHeader } from '@mdm/server/dicom/part10/index'
import { planesOf } from '@mdm/server/volume/planes/index'
import type { Plane } from '@mdm/server/volume/plane'
import t, { type Test } from 'tap'
import { small } from '../generated.ts'

async function read(t: Test, o: Partial<EnhancedOptions>): Promise<ReturnType<typeof planesOf>> {
  const { files } = await writeEnhanced(t.testdir(), { ...small({ modality: 'MR', ...o }), ...o })
  return planesOf(readHeader(await readFile(files[0]!)))
}

async function planes(t: Test, o: Partial<EnhancedOptions>): Promise<Plane[]> {
  const found = await read(t, o)
  if ('code' in found) throw new Error(found.reason)
  return found
}

t.test('each frame is a plane where its own groups say, and has what all frames share', async (t) => {
  for (const transferSyntax of ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1']) {
    const order = (k: number): number => (k + 2) % 6
    const found = await planes(t, { order, origin: [-1, 2, 10], transferSyntax })
    t.same(
      found.map(({ frame, position }) => [frame, ...position]),
      [0, 1, 2, 3, 4, 5].map((k) => [k, -1, 2, 10 + 2 * order(k)]),
    )
    for (const plane of found) {
      t.match(plane, {
        ...{ rows: 3, columns: 4, orientation: [1, 0, 0, 0, 1, 0], pixelSpacing: [0.75, 0.5] },
        ...{ sliceThickness: 2, values: { slope: 1, intercept: -1024, units: 'US' } },
        marks: { stack: '1', time: 1, quantity: 'M', echoTime: 4.2, repetitionTime: 12 },
      })
    }
  }
})

t.test('rescale values, echoes, times and directions are those of the frame', async (t) => {
  const groups = (k: number): Attributes => ({
    PixelValueTransformationSequence: [
      { RescaleSlope: String(k + 0.5), RescaleIntercept: String(-k), RescaleType: 'US' },
    ],
    MREchoSequence: [{ EffectiveEchoTime: 5 * (k % 2) + 5 }],
    MRDiffusionSequence: [
      {
        DiffusionBValue: k < 2 ? 0 : 1000,
        DiffusionDirectionality: k < 2 ? 'NONE' : k === 5 ? 'ISOTROPIC' : 'DIRECTIONAL',
        ...(k >= 2 &&
          k < 5 && {
            DiffusionGradientDirectionSequence: [{ DiffusionGradientOrientation: [0, 0.6, k / 10] }],
          }),
      },
    ],
    CardiacSynchronizationSequence: [{ NominalCardiacTriggerDelayTime: 40 * k }],
    MRImageFrameTypeSequence: [
      {
        FrameType: ['ORIGINAL', 'PRIMARY', 'T1', 'NONE'],
        ComplexImageComponent: k % 2 ? 'PHASE' : 'MAGNITUDE',
      },
    ],
    FrameContentSequence: [
      {
        StackID: 'A',
        TemporalPositionIndex: k + 1,
        FrameAcquisitionNumber: 3,
        FrameAcquisitionDateTime: `2020010210111${k}.25`,
      },
    ],
  })
  const found = await planes(t, { groups })
  t.same(
    found.map(({ values }) => [values.slope, values.intercept]),
    [0, 1, 2, 3, 4, 5].map((k) => [k + 0.5, -k]),
  )
  const gradients = [undefined, undefined, '0 0.6 0.2', '0 0.6 0.3', '0 0.6 0.4', 'ISOTROPIC']
  for (const [k, { marks }] of found.entries()) {
    t.match(marks, {
      ...{ echoTime: 5 * (k % 2) + 5, bValue: k < 2 ? 0 : 1000, gradient: gradients[k] },
      ...{ triggerTime: 40 * k, quantity: k % 2 ? 'P' : 'M', time: k + 1, stack: 'A', acquisition: 3 },
      ...{ dateTime: `2020010210111${k}.250000`, imageType: 'ORIGINAL\\PRIMARY\\T1\\NONE' },
    })
  }
})

t.test('a legacy converted object says it as the classic one did', async (t) => {
  const found = await planes(t, {
    groups: (k) => ({
      MREchoSequence: undefined,
      FrameContentSequence: [{ FrameAcquisitionNumber: 1 }],
      UnassignedPerFrameConvertedAttributesSequence: [
        {
          EchoNumbers: String(1 + (k % 2)),
          EchoTime: String(3 + k),
          TemporalPositionIdentifier: '2',
          TriggerTime: '12',
        },
      ],
    }),
  })
  t.match(found[3]!.marks, { echo: 2, echoTime: 6, time: 2, triggerTime: 12, stack: undefined })
})

t.test(
  'a real world mapping counts where there is no rescale, and only when it covers all numbers',
  async (t) => {
    const mapping = (last: number): Attributes => ({
      PixelValueTransformationSequence: undefined,
      RealWorldValueMappingSequence: [
        {
          _vrMap: { RealWorldValueFirstValueMapped: 'US', RealWorldValueLastValueMapped: 'US' },
          RealWorldValueFirstValueMapped: 0,
          RealWorldValueLastValueMapped: last,
          RealWorldValueSlope: 0.25,
          RealWorldValueIntercept: -500,
          MeasurementUnitsCodeSequence: [{ CodeValue: 'Hz', CodingSchemeDesignator: 'UCUM' }],
        },
      ],
    })
    const [plane] = await planes(t, { bitsStored: 12, groups: () => mapping(4095) })
    t.same(plane!.values, { slope: 0.25, intercept: -500, units: 'Hz' })
    t.match(await read(t, { bitsStored: 12, groups: () => mapping(4094) }), { code: 'MDM_RESCALE' })
    const both = {
      ...mapping(4095),
      PixelValueTransformationSequence: [{ RescaleSlope: '2', RescaleIntercept: '1' }],
    }
    const [rescaled] = await planes(t, { bitsStored: 12, groups: () => both })
    t.same(rescaled!.values, { slope: 2, intercept: 1 })
  },
)

t.test(
  'groups that lie or leave something out are a fault of the object, never a missing plane',
  async (t) => {
    const faults: [Partial<EnhancedOptions>, string][] = [
      [{ groups: (k) => (k === 4 ? { PlanePositionSequence: undefined } : {}) }, 'MDM_GEOMETRY'],
      [
        {
          groups: (k) =>
            k === 5 ? { PlanePositionSequence: [{ ImagePositionPatient: ['1', 'x', '3'] }] } : {},
        },
        'MDM_GEOMETRY',
      ],
      [{ shared: { PlaneOrientationSequence: undefined } }, 'MDM_GEOMETRY'],
      [{ shared: { PixelMeasuresSequence: undefined } }, 'MDM_GEOMETRY'],
      [
        {
          groups: (k) =>
            k === 1
              ? { PixelValueTransformationSequence: [{ RescaleSlope: '0', RescaleIntercept: '0' }] }
              : {},
        },
        'MDM_RESCALE',
      ],
      [{ groups: (k) => (k === 1 ? { PixelValueTransformationSequence: undefined } : {}) }, 'MDM_RESCALE'],
      [{ object: { NumberOfFrames: '5' } }, 'MDM_DICOM'],
      [{ object: { NumberOfFrames: '7' } }, 'MDM_DICOM'],
      [{ object: { PerFrameFunctionalGroupsSequence: undefined } }, 'MDM_DICOM'],
      [{ object: { NumberOfFrames: '20000' } }, 'MDM_MULTIFRAME'],
    ]
    for (const [i, [o, code]] of faults.entries()) t.match(await read(t, o), { code }, `fault ${i}`)
  },
)

t.test('what all frames have in common is kept once', async (t) => {
  const { files } = await writeEnhanced(t.testdir(), small({ modality: 'MR', slices: 40 }))
  const { frameTable } = readHeader(await readFile(files[0]!))
  t.equal(frameTable!.frames, 40)
  t.equal(frameTable!.numbers.position!.length, 120)
  t.equal(frameTable!.numbers.orientation!.length, 6)
  t.equal(frameTable!.numbers.slope!.length, 1)
  t.equal(frameTable!.texts.stack!.of.length, 1)
})
