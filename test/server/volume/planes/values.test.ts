import { writeObject, type Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import { readHeader } from '@mdm/server/dicom/part10/index'
import type { Fault } from '@mdm/server/volume/judge'
import { planesOf } from '@mdm/server/volume/planes/index'
import type { ValueMap } from '@mdm/server/volume/plane'
import t from 'tap'

const OBJECT: Attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
  SOPInstanceUID: '1.2.3.4',
  StudyInstanceUID: '1.2.3',
  SeriesInstanceUID: '1.2.3.1',
  Modality: 'CT',
  ImagePositionPatient: ['0', '0', '0'],
  ImageOrientationPatient: ['1', '0', '0', '0', '1', '0'],
  PixelSpacing: ['1', '1'],
  Rows: 2,
  Columns: 2,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  BitsAllocated: 16,
  BitsStored: 10,
  HighBit: 9,
  PixelRepresentation: 0,
  PixelData: Uint16Array.of(1, 2, 3, 4).buffer,
}

function values(attributes: Attributes): ValueMap | Fault {
  const planes = planesOf(readHeader(writeObject({ ...OBJECT, ...attributes })))
  return 'code' in planes ? planes : planes[0]!.values
}

const lut = (o: Attributes = {}): Attributes => ({
  ModalityLUTSequence: [
    {
      _vrMap: { LUTDescriptor: 'US', LUTData: 'US' },
      LUTDescriptor: [4, 10, 16],
      ModalityLUTType: 'HU',
      LUTData: [5, 50, 500, 65_535],
      ...o,
    },
  ],
})

const mapping = (o: Attributes = {}): Attributes => ({
  _vrMap: { RealWorldValueFirstValueMapped: 'US', RealWorldValueLastValueMapped: 'US' },
  RealWorldValueFirstValueMapped: 0,
  RealWorldValueLastValueMapped: 1023,
  RealWorldValueSlope: 0.5,
  RealWorldValueIntercept: 2,
  MeasurementUnitsCodeSequence: [{ CodeValue: 'mm2/s', CodingSchemeDesignator: 'UCUM' }],
  ...o,
})

t.test('without a word the numbers are the values, with slope and intercept what these say', async (t) => {
  t.same(values({}), { slope: 1, intercept: 0 })
  t.same(values({ RescaleSlope: '2', RescaleIntercept: '-1024', RescaleType: 'HU' }), {
    ...{ slope: 2, intercept: -1024, units: 'HU' },
  })
  t.same(values({ Modality: 'PT', RescaleSlope: '3', RescaleIntercept: '0', Units: 'BQML' }), {
    ...{ slope: 3, intercept: 0, units: 'BQML' },
  })
})

t.test('a Modality LUT gives each number its value', async (t) => {
  const table = { first: 10, values: [5, 50, 500, 65_535] }
  t.same(values(lut()), { slope: 1, intercept: 0, table, units: 'HU' })
})

t.test(
  'the first mapping to the real world that covers all numbers is used, and only without a rescale',
  async (t) => {
    const short = mapping({ RealWorldValueLastValueMapped: 1000, RealWorldValueSlope: 9 })
    t.same(
      values({ RealWorldValueMappingSequence: [short, mapping(), mapping({ RealWorldValueSlope: 7 })] }),
      {
        ...{ slope: 0.5, intercept: 2, units: 'mm2/s' },
      },
    )
    t.same(values({ RealWorldValueMappingSequence: [mapping()], RescaleSlope: '4', RescaleIntercept: '1' }), {
      ...{ slope: 4, intercept: 1 },
    })
    const table = Array.from({ length: 1024 }, (_, i) => i / 3)
    const tabled = mapping({ RealWorldValueSlope: undefined, RealWorldValueLUTData: table })
    t.same(values({ RealWorldValueMappingSequence: [tabled] }), {
      ...{ slope: 1, intercept: 0, table: { first: 0, values: table }, units: 'mm2/s' },
    })
  },
)

t.test('values that two readers could see differently, or not at all, are refused', async (t) => {
  const refused: Attributes[] = [
    lut({ LUTDescriptor: [5, 10, 16] }),
    lut({ LUTDescriptor: [4, 10] }),
    lut({ LUTDescriptor: [0, 10, 16] }),
    lut({ LUTData: undefined }),
    { ...lut(), RescaleSlope: '2', RescaleIntercept: '0' },
    { ModalityLUTSequence: [] },
    { RescaleSlope: '1e40', RescaleIntercept: '0' },
    { RescaleSlope: '1', RescaleIntercept: 'x' },
    { RealWorldValueMappingSequence: [mapping({ RealWorldValueLastValueMapped: 1000 })] },
    { RealWorldValueMappingSequence: [mapping({ RealWorldValueSlope: undefined })] },
    { RealWorldValueMappingSequence: [mapping({ RealWorldValueLUTData: [1, 2, 3] })] },
  ]
  for (const [i, attributes] of refused.entries())
    t.match(values(attributes), { code: 'MDM_RESCALE' }, `${i}`)
})

t.test('the objects of a series share their table', async (t) => {
  const header = () => readHeader(writeObject({ ...OBJECT, ...lut() }))
  const [a, b] = [header(), header()].map(({ modalityLut }) => modalityLut)
  t.equal((a as { values: unknown }).values, (b as { values: unknown }).values)
})
