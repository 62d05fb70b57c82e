import { MdmError } from '@mdm/core/errors'
import type { InstanceHeader } from '../source.ts'
import { EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN } from './locate.ts'

/** True when pixels are stored as they are: little endian and neither compressed nor deflated. */
export function isPlain(transferSyntax: string): boolean {
  return transferSyntax === IMPLICIT_LITTLE_ENDIAN || transferSyntax === EXPLICIT_LITTLE_ENDIAN
}

/**
 * Where the pixels of an object lie in its bytes, without padding.
 *
 * @returns undefined for pixels that are not plain, or do not fit what the object declares
 */
export function pixelSpan(header: InstanceHeader): { start: number; end: number } | undefined {
  const { rows, columns, bitsAllocated, pixelData } = header
  if (header.fault !== undefined || !isPlain(header.transferSyntax) || pixelData?.length === undefined)
    return undefined
  if (rows === undefined || columns === undefined || bitsAllocated === undefined) return undefined
  const bytes = Math.ceil(
    (rows * columns * (header.samplesPerPixel ?? 1) * header.frames * bitsAllocated) / 8,
  )
  if (bytes === 0 || bytes > pixelData.length) return undefined
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
