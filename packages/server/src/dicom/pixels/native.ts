import { declaredBytes, EXPLICIT_BIG_ENDIAN } from '../part10/index.ts'
import type { InstanceHeader } from '../source.ts'
import type { Span } from './fragments.ts'
import { frameBytes, type FrameShape } from './frame-shape.ts'
import { interleaved } from './interleave.ts'
import { unpackBits } from './unpack-bits.ts'

/**
 * Where the frames of uncompressed pixel data lie, as bits from its beginning: frames of one bit a pixel begin where the one
 * before ends.
 *
 * @returns undefined when it has less than its object declares
 */
export function nativeFrames(header: InstanceHeader): ((frame: number) => NativeSpan) | undefined {
  const { pixelData, rows = 0, columns = 0, samplesPerPixel = 1, bitsAllocated = 0 } = header
  const bytes = declaredBytes(header)
  if (bytes === undefined || pixelData?.length === undefined || bytes > pixelData.length) return undefined
  const bits = rows * columns * samplesPerPixel * bitsAllocated
  return (frame) => ({
    start: pixelData.offset + Math.floor((frame * bits) / 8),
    end: pixelData.offset + Math.ceil(((frame + 1) * bits) / 8),
    skip: (frame * bits) % 8,
  })
}

/** Bytes that hold a frame; `skip`: how many bits of the first are of the frame before. */
export interface NativeSpan extends Span {
  readonly skip: number
}

/**
 * The pixels of a frame as it is stored: turned to little endian, unpacked to bytes, samples beside each other.
 *
 * @param stored the bytes of its span; changed, and perhaps what is returned
 * @see DICOM PS3.5 sections 7.3 and 8
 */
export function nativePixels(
  stored: Buffer,
  header: InstanceHeader,
  shape: FrameShape,
  skip: number,
): Buffer {
  if (shape.bitsAllocated === 1) return Buffer.from(unpackBits(stored, frameBytes(shape), skip).buffer)
  if (header.transferSyntax === EXPLICIT_BIG_ENDIAN) turn(stored, shape.bitsAllocated, header.pixelData?.vr)
  if (shape.samples === 1 || header.pixelData?.planar !== true) return stored
  return Buffer.from(interleaved(stored, shape.samples, shape.bitsAllocated / 8).buffer)
}

function turn(stored: Buffer, bits: number, vr: string | undefined): void {
  // Words of 16 bits hold two pixels of 8 each.
  if (bits === 16 || (bits === 8 && vr === 'OW')) stored.swap16()
  if (bits === 32) stored.swap32()
  if (bits === 64) stored.swap64()
}
