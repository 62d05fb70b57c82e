import { writeObject, type Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import { readHeader } from '@mdm/server/dicom/part10/index'
import { planesOf } from '@mdm/server/volume/planes/index'
import type { Plane } from '@mdm/server/volume/plane'
import t from 'tap'

/** A gated reconstruction: two time slots of three slices. */
const OBJECT: Attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.20',
  SOPInstanceUID: '1.2.3.4',
  StudyInstanceUID: '1.2.3',
  SeriesInstanceUID: '1.2.3.1',
  Modality: 'NM',
  ImageType: ['ORIGINAL', 'PRIMARY', 'RECON GATED TOMO', 'EMISSION'],
  NumberOfFrames: '6',
  SpacingBetweenSlices: '-4',
  SliceThickness: '4',
  PixelSpacing: ['3', '3'],
  DetectorInformationSequence: [
    { ImagePositionPatient: ['1', '2', '3'], ImageOrientationPatient: ['1', '0', '0', '0', '1', '0'] },
  ],
  TimeSlotVector: [1, 1, 1, 2, 2, 2],
  SliceVector: [1, 2, 3, 1, 2, 3],
  Rows: 2,
  Columns: 2,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
  PixelData: new ArrayBuffer(48),
}

function read(attributes: Attributes = {}): ReturnType<typeof planesOf> {
  return planesOf(readHeader(writeObject({ ...OBJECT, ...attributes })))
}

const places = (found: ReturnType<typeof planesOf>): unknown[] =>
  (found as Plane[]).map(({ frame, position, marks }) => [frame, position[2], marks.time])

t.test(
  'frames of a reconstruction lie behind or before the first, by the sign of their spacing',
  async (t) => {
    t.same(places(read()), [
      [0, 3, 1],
      [1, -1, 1],
      [2, -5, 1],
      [3, 3, 2],
      [4, -1, 2],
      [5, -5, 2],
    ])
    const [, second] = read({ SpacingBetweenSlices: '4', TimeSlotVector: undefined }) as Plane[]
    t.match(second, { position: [1, 2, 7], pixelSpacing: [3, 3], marks: { time: undefined } })
  },
)

t.test('a reconstruction that leaves out where its frames lie is refused', async (t) => {
  const faults: [Attributes, string][] = [
    [{ SpacingBetweenSlices: undefined }, 'MDM_GEOMETRY'],
    [{ SpacingBetweenSlices: '0' }, 'MDM_GEOMETRY'],
    [{ SliceVector: [1, 2, 3] }, 'MDM_GEOMETRY'],
    [{ SliceVector: [0, 1, 2, 0, 1, 2] }, 'MDM_GEOMETRY'],
    [{ TimeSlotVector: [1, 2] }, 'MDM_GEOMETRY'],
    [{ DetectorInformationSequence: [{}] }, 'MDM_GEOMETRY'],
    [{ SliceVector: undefined }, 'MDM_MULTIFRAME'],
    [{ DetectorInformationSequence: undefined }, 'MDM_MULTIFRAME'],
  ]
  for (const [i, [attributes, code]] of faults.entries()) t.match(read(attributes), { code }, `${i}`)
})
