import { declaredBytes, EXPLICIT_BIG_ENDIAN, MAX_IMAGE_BYTES } from '../part10/index.ts'
import type { InstanceHeader } from '../source.ts'
import type { FrameShape } from './frame-shape.ts'
import { codingOf } from './transfer-syntaxes.ts'

/** Why the frames of an object cannot be had, and the attribute that says so (a name of DICOM PS3.6). */
export interface Undecodable {
  readonly reason: string
  readonly tag: string
}

/**
 * What stands against having the frames of an object, as far as its header tells; undefined when nothing does. That there
 * are pixels, and enough of them, is not looked at.
 */
export function undecodable(header: InstanceHeader): Undecodable | undefined {
  const fault = (reason: string, tag: string): Undecodable => ({ reason, tag })
  const coding = codingOf(header.transferSyntax)
  if (coding === undefined)
    return fault('the pixels are compressed in a way that is not decoded', 'TransferSyntaxUID')
  const { samplesPerPixel = 1, bitsAllocated = 0, bitsStored = 0, highBit, floatPixels, pixelData } = header
  const bytes = declaredBytes({ ...header, frames: 1 })
  if (bytes === undefined) return fault('rows, columns or bits are absent or no counts', 'Rows')
  const decoded = bitsAllocated === 1 ? bytes * 8 : bytes
  if (decoded > MAX_IMAGE_BYTES) return fault(`a frame has more than ${MAX_IMAGE_BYTES >> 20} MiB`, 'Rows')
  if (samplesPerPixel !== 1 && samplesPerPixel !== 3)
    return fault('the pixels have neither one sample nor three', 'SamplesPerPixel')
  if (![1, 8, 16, 32, 64].includes(bitsAllocated) || (bitsAllocated === 64 && !floatPixels))
    return fault('the pixels are not of 1, 8, 16 or 32 bits', 'BitsAllocated')
  if (bitsAllocated === 1 && samplesPerPixel !== 1)
    return fault('the pixels are of several samples of one bit', 'BitsAllocated')
  if (floatPixels) {
    if (coding !== 'native') return fault('floating point numbers are compressed', 'TransferSyntaxUID')
    return bitsAllocated >= 32 ? undefined : fault('the numbers are not of 32 or 64 bits', 'BitsAllocated')
  }
  if (bitsStored < 1 || bitsStored > bitsAllocated)
    return fault('the bits stored do not fit the bits allocated', 'BitsStored')
  if (coding === 'native') {
    const swapsWords = header.transferSyntax === EXPLICIT_BIG_ENDIAN && pixelData?.vr === 'OW'
    // Readers differ in what they turn around where words of 16 bits hold numbers of 32, or end within a frame.
    const whole = bitsAllocated === 16 || (bitsAllocated === 8 && bytes % 2 === 0)
    return swapsWords && !whole
      ? fault('big endian words of 16 bits hold numbers of other lengths', 'BitsAllocated')
      : undefined
  }
  if (header.pixelData?.length !== undefined)
    return fault('compressed pixels are not in fragments', 'PixelData')
  if (coding === 'rle') return undefined
  if (bitsAllocated !== 8 && bitsAllocated !== 16)
    return fault('the pixels are compressed and not of 8 or 16 bits', 'BitsAllocated')
  return highBit === bitsStored - 1
    ? undefined
    : fault('the pixels are compressed, and the high bit is not the last of the bits stored', 'HighBit')
}

/** The shape of the frames of an object of which nothing stands against having them. */
export function shapeOf(header: InstanceHeader): FrameShape {
  return {
    rows: header.rows ?? 0,
    columns: header.columns ?? 0,
    samples: header.samplesPerPixel ?? 1,
    bitsAllocated: header.bitsAllocated ?? 0,
    bitsStored: header.bitsStored ?? 0,
    signed: header.pixelRepresentation === 1,
    photometric: header.photometric ?? '',
  }
}

/**
 * What the samples of a decoded frame mean: decoders make RGB of what JPEG and JPEG 2000 keep as brightness and colour;
 * everything else stays what the header says.
 *
 * @see DICOM PS3.3 section C.7.6.3.1.2
 */
export function decodedPhotometric({ transferSyntax, photometric }: InstanceHeader): string | undefined {
  const coding = codingOf(transferSyntax)
  const converted: Partial<Record<string, readonly string[]>> = {
    jpeg: ['YBR_FULL', 'YBR_FULL_422'],
    'jpeg-2000': ['YBR_RCT', 'YBR_ICT'],
    htj2k: ['YBR_RCT', 'YBR_ICT'],
  }
  return converted[coding ?? '']?.includes(photometric ?? '') === true ? 'RGB' : photometric
}
