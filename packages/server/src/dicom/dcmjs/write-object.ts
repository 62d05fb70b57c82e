import dcmjs from 'dcmjs'
import { IMPLEMENTATION_CLASS } from '../dimse/uids.ts'
import { EXPLICIT_LITTLE_ENDIAN } from '../part10/locate.ts'

// its log prints values of the objects it handles
dcmjs.log.setLevel('silent')

/** Attributes by keyword of DICOM PS3.6, such as `PatientName`; undefined ones are left out. */
export type Attributes = Record<string, unknown>

/**
 * A DICOM object as a file of PS3.10.
 *
 * @param attributes data set; SOPClassUID and SOPInstanceUID are needed
 */
export function writeObject(attributes: Attributes, transferSyntax: string = EXPLICIT_LITTLE_ENDIAN): Buffer {
  const { DicomDict, DicomMetaDictionary } = dcmjs.data
  const present = Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
  const meta = DicomMetaDictionary.denaturalizeDataset({
    FileMetaInformationVersion: Uint8Array.of(0, 1).buffer,
    MediaStorageSOPClassUID: attributes.SOPClassUID,
    MediaStorageSOPInstanceUID: attributes.SOPInstanceUID,
    TransferSyntaxUID: transferSyntax,
    ImplementationClassUID: IMPLEMENTATION_CLASS,
  })
  const object = new DicomDict(meta)
  object.dict = DicomMetaDictionary.denaturalizeDataset({ _vrMap: { PixelData: 'OW' }, ...present })
  return Buffer.from(object.write())
}
