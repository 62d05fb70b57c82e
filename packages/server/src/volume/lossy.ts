import { isLossySyntax } from '../dicom/pixels/index.ts'
import type { InstanceHeader } from '../dicom/source.ts'

/**
 * True where a lossy compression went over the pixels once, also before they came to this object.
 *
 * @see DICOM PS3.3 C.7.6.1.1.5 (Lossy Image Compression)
 */
export function isLossy(header: InstanceHeader): boolean {
  return header.text.LossyImageCompression === '01' || isStoredLossy(header)
}

/** True where the object itself is compressed with loss; what may be either is, unless the object says that it is not. */
export function isStoredLossy({ transferSyntax, text }: InstanceHeader): boolean {
  const lossy = isLossySyntax(transferSyntax)
  return lossy === 'yes' || (lossy === 'perhaps' && text.LossyImageCompression !== '00')
}
