import { dicomObject, type Attributes } from '@mdm/core/volume/dicom-series/object'

export type { Attributes }

/**
 * A DICOM object as a file of PS3.10.
 *
 * @param attributes data set; SOPClassUID and SOPInstanceUID are needed
 */
export function writeObject(attributes: Attributes, transferSyntax?: string): Buffer {
  return dicomObject(attributes, { transferSyntax })
}
