import dcmjs from 'dcmjs'
import { IMPLEMENTATION_CLASS } from './implementation.ts'

// its log prints values of the objects it handles
dcmjs.log.setLevel('silent')

/** Attributes by keyword of DICOM PS3.6, such as `PatientName`; undefined ones are left out. */
export type Attributes = Record<string, unknown>

export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1'

/**
 * A DICOM object as a file of PS3.10.
 *
 * @param attributes data set; SOPClassUID and SOPInstanceUID are needed; PixelData are words unless `pixels` says bytes
 */
export function dicomObject(
  attributes: Attributes,
  o: { transferSyntax?: string | undefined; pixels?: 'OW' | 'OB' } = {},
): Buffer {
  const { DicomDict, DicomMetaDictionary } = dcmjs.data
  const present = Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
  const meta = DicomMetaDictionary.denaturalizeDataset({
    FileMetaInformationVersion: Uint8Array.of(0, 1).buffer,
    MediaStorageSOPClassUID: attributes.SOPClassUID,
    MediaStorageSOPInstanceUID: attributes.SOPInstanceUID,
    TransferSyntaxUID: o.transferSyntax ?? EXPLICIT_LITTLE_ENDIAN,
    ImplementationClassUID: IMPLEMENTATION_CLASS,
  })
  const object = new DicomDict(meta)
  object.dict = DicomMetaDictionary.denaturalizeDataset({
    _vrMap: { PixelData: o.pixels ?? 'OW' },
    ...present,
  })
  return Buffer.from(object.write())
}
