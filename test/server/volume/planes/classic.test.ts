import { writeObject, type Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import { readHeader } from '@mdm/server/dicom/part10/index'
import { planesOf } from '@mdm/server/volume/planes/index'
import type { Plane } from '@mdm/server/volume/plane'
import t from 'tap'

const OBJECT: Attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.4',
  SOPInstanceUID: '1.2.3.4',
  StudyInstanceUID: '1.2.3',
  SeriesInstanceUID: '1.2.3.1',
  Modality: 'MR',
  ImageType: ['ORIGINAL', 'PRIMARY', 'P', 'ND'],
  SliceThickness: '3',
  SpacingBetweenSlices: '3.6',
  ImagePositionPatient: ['-10', '20.5', '30'],
  ImageOrientationPatient: ['0', '1', '0', '0', '0', '-1'],
  PixelSpacing: ['0.5', '0.75'],
  InstanceNumber: '7',
  Rows: 2,
  Columns: 3,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
  RescaleSlope: '2.5',
  RescaleIntercept: '-3',
  RescaleType: 'US',
  PixelData: Uint16Array.of(1, 2, 3, 4, 5, 6).buffer,
}

function read(attributes: Attributes): ReturnType<typeof planesOf> {
  return planesOf(readHeader(writeObject({ ...OBJECT, ...attributes })))
}

function marks(attributes: Attributes): Plane['marks'] {
  return (read(attributes) as Plane[])[0]!.marks
}

t.test('a classic object is one plane, where its header says and of the values it says', async (t) => {
  const [plane, ...others] = read({}) as Plane[]
  t.equal(others.length, 0)
  t.match(plane, {
    ...{ frame: 0, tile: undefined, rows: 2, columns: 3, position: [-10, 20.5, 30] },
    ...{ orientation: [0, 1, 0, 0, 0, -1], pixelSpacing: [0.5, 0.75] },
    ...{ sliceThickness: 3, spacingBetweenSlices: 3.6 },
    values: { slope: 2.5, intercept: -3, units: 'US' },
    header: { sop: '1.2.3.4', instanceNumber: 7 },
  })
})

t.test(
  'what tells volumes apart is read as the standard writes it, and absent where it is malformed',
  async (t) => {
    const said: Attributes = {
      TemporalPositionIdentifier: '4',
      AcquisitionNumber: '2',
      TriggerTime: '350.5',
      EchoNumbers: '2',
      EchoTime: '7.38',
      RepetitionTime: '400',
      InversionTime: '900',
      FlipAngle: '60',
      ReceiveCoilName: 'HEAD 32',
      DiffusionBValue: 1000,
      DiffusionGradientOrientation: [0.6, 0, -0.8],
      FrameReferenceTime: '1500',
      AcquisitionDate: '20200102',
      AcquisitionTime: '101112.5',
    }
    t.same(marks(said), {
      ...{ imageType: 'ORIGINAL\\PRIMARY\\P\\ND', quantity: 'P', coil: 'HEAD 32', echo: 2, echoTime: 7.38 },
      ...{ repetitionTime: 400, inversionTime: 900, flipAngle: 60, bValue: 1000, gradient: '0.6 0 -0.8' },
      ...{ time: 4, acquisition: 2, triggerTime: 350.5, frameTime: 1500, dateTime: '20200102101112.500000' },
    })
    const malformed = Object.fromEntries(Object.keys(said).map((key) => [key, undefined]))
    const odd = {
      TriggerTime: 'soon',
      AcquisitionDate: '***',
      AcquisitionTime: '101112',
      EchoNumbers: '1\\2',
    }
    t.same(marks({ ...malformed, ...odd }), { imageType: 'ORIGINAL\\PRIMARY\\P\\ND', quantity: 'P' })
  },
)

t.test('the complex component says more than the image type, and a CT has none', async (t) => {
  t.equal(marks({ ComplexImageComponent: 'REAL' }).quantity, 'R')
  t.equal(
    marks({ ComplexImageComponent: 'MIXED', ImageType: ['ORIGINAL', 'PRIMARY', 'X', 'M'] }).quantity,
    'M',
  )
  t.equal(marks({ ImageType: ['P', 'M', 'OTHER'] }).quantity, undefined)
  t.equal(marks({ Modality: 'CT' }).quantity, undefined)
})

t.test('a plane without a place, a size or values is a fault that names what is missing', async (t) => {
  const faults: [Attributes, string, string][] = [
    [{ ImagePositionPatient: undefined }, 'MDM_GEOMETRY', 'ImagePositionPatient'],
    [{ ImagePositionPatient: ['0', '0', '1e9'] }, 'MDM_GEOMETRY', 'ImagePositionPatient'],
    [{ ImageOrientationPatient: ['1', '0', '0', '1', '0', '0'] }, 'MDM_GEOMETRY', 'ImageOrientationPatient'],
    [{ ImageOrientationPatient: ['1', '0', '0'] }, 'MDM_GEOMETRY', 'ImageOrientationPatient'],
    [{ PixelSpacing: ['0', '1'] }, 'MDM_GEOMETRY', 'PixelSpacing'],
    [{ RescaleSlope: '0' }, 'MDM_RESCALE', 'RescaleSlope'],
    [{ Rows: 0 }, 'MDM_PIXELS', 'Rows'],
  ]
  for (const [attributes, code, tag] of faults) {
    const fault = read(attributes)
    t.match(fault, { code }, tag)
    t.ok('tags' in fault && fault.tags?.includes(tag), tag)
  }
})
