import { MdmError } from '@mdm/core/errors'
import type { InstanceHeader } from '../source.ts'
import { DEFLATED, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN } from './locate.ts'

/** True when pixels are stored as they are: little endian and neither compressed nor deflated. */
export function isPlain(transferSyntax: string): boolean {
  return transferSyntax === IMPLICIT_LITTLE_ENDIAN || transferSyntax === EXPLICIT_LITTLE_ENDIAN
}

/** False when an object of so many bytes cannot hold the pixel data it declares; how much a deflated one holds is not known. */
export function pixelsFit(
  { transferSyntax, pixelData }: Pick<InstanceHeader, 'transferSyntax' | 'pixelData'>,
  objectBytes: number,
): boolean {
  if (pixelData?.length === undefined || transferSyntax === DEFLATED) return true
  return pixelData.offset + pixelData.length <= objectBytes
}

/** A frame is in memory as a whole while it is delivered; the largest that scanners make, of breasts, have 50 MiB. */
export const MAX_IMAGE_BYTES = 256 << 20

/**
 * Bytes that rows, columns, samples, frames and bits declare.
 *
 * @returns undefined where one of them is absent or no count; may be more than any object has
 */
export function declaredBytes(header: InstanceHeader): number | undefined {
  const { rows = 0, columns = 0, samplesPerPixel = 1, frames, bitsAllocated = 0 } = header
  const counts = [rows, columns, samplesPerPixel, frames, bitsAllocated]
  if (!counts.every((count) => Number.isInteger(count) && count > 0)) return undefined
  return Math.ceil(counts.reduce((product, count) => product * count) / 8)
}

/**
 * Where the pixels of an object lie in its bytes, without padding.
 *
 * @returns undefined for pixels that are not plain, do not fit what the object declares, or are more than MAX_IMAGE_BYTES a
 *          frame
 */
export function pixelSpan(header: InstanceHeader): { start: number; end: number } | undefined {
  const { pixelData } = header
  if (header.fault !== undefined || !isPlain(header.transferSyntax) || pixelData?.length === undefined)
    return undefined
  const bytes = declaredBytes(header)
  if (bytes === undefined || bytes > pixelData.length || bytes / header.frames > MAX_IMAGE_BYTES)
    return undefined
  return { start: pixelData.offset, end: pixelData.offset + bytes }
}

/**
 * The pixels of a whole object, as stored.
 *
 * @throws MDM_PIXELS
 */
export function pixelBytes(file: Buffer, header: InstanceHeader): Buffer {
  const span = pixelSpan(header)
  if (span === undefined || span.end > file.length) {
    throw new MdmError('MDM_PIXELS', 'the pixels are compressed, or not as many as declared')
  }
  return file.subarray(span.start, span.end)
}
