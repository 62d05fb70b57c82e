import type { InstanceHeader } from '../dicom/source.ts'

/** JPEG baseline and extended: never without loss. */
const ALWAYS = new Set(['1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51'])
/** JPEG-LS near-lossless, JPEG 2000 and HTJ2K, which may be either; the object says so if it was without loss. */
const UNLESS_SAID = new Set(['1.2.840.10008.1.2.4.81', '1.2.840.10008.1.2.4.91', '1.2.840.10008.1.2.4.203'])

/**
 * True where a lossy compression went over the pixels once, also before they came to this object.
 *
 * @see DICOM PS3.3 C.7.6.1.1.5 (Lossy Image Compression)
 */
export function isLossy(header: InstanceHeader): boolean {
  return header.text.LossyImageCompression === '01' || isStoredLossy(header)
}

/** True where the object itself is compressed with loss. */
export function isStoredLossy({ transferSyntax, text }: InstanceHeader): boolean {
  return (
    ALWAYS.has(transferSyntax) || (UNLESS_SAID.has(transferSyntax) && text.LossyImageCompression !== '00')
  )
}
