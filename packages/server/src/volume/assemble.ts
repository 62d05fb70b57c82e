import { MdmError } from '@mdm/core/errors'
import { sliceBytes, type Volume } from '@mdm/core/volume/volume'
import type { RetrievedFrame } from '../dicom/source.ts'
import { burnedInRisk } from './burned-in.ts'
import { judge } from './judge.ts'
import type { SliceRow } from './plan.ts'

/** What a slice must still be when it is delivered. */
const COMPARED = [
  'sop',
  'rows',
  'columns',
  'position',
  'orientation',
  'bitsAllocated',
  'bitsStored',
  'highBit',
  'pixelRepresentation',
  'slope',
  'intercept',
] as const satisfies readonly (keyof SliceRow & keyof RetrievedFrame['header'])[]

/**
 * The voxels of one slice as the plaintext has them: little endian, overlay bits masked off, sign extended.
 *
 * @param instance as it came from the source
 * @param row      as it was registered
 * @returns sliceBytes(volume) bytes; may share memory with `instance.pixels`
 * @throws MDM_SOURCE_CHANGED when the object is no longer what was registered
 */
export function sliceVoxels(instance: RetrievedFrame, row: SliceRow, volume: Volume): Buffer {
  const { header, pixels } = instance
  const changed = (what: string) =>
    new MdmError('MDM_SOURCE_CHANGED', `slice ${row.index}: ${what} is not what was registered`)
  for (const key of COMPARED) {
    if (!equal(header[key], row[key])) throw changed(key)
  }
  if (
    (header.photometric === 'MONOCHROME1') !== (volume.inverted === true) ||
    judge(header, { released: true })
  )
    throw changed('the kind of image')
  if (burnedInRisk(header)?.reason !== row.released) throw changed('what its pixels may show')
  if (pixels.length < sliceBytes(volume)) throw changed('the number of pixels')
  return toVoxels(pixels.subarray(0, sliceBytes(volume)), row)
}

function equal(now: unknown, then: unknown): boolean {
  if (!Array.isArray(now) || !Array.isArray(then)) return now === then
  return now.length === then.length && now.every((value, i) => value === then[i])
}

/**
 * Keeps the BitsStored bits below HighBit: what lies outside them (old overlays) is no part of the value.
 *
 * @see DICOM PS3.5 section 8.1.1
 */
function toVoxels(
  pixels: Buffer,
  { bitsAllocated, bitsStored, highBit, pixelRepresentation }: SliceRow,
): Buffer {
  if (bitsStored === bitsAllocated) return pixels
  const shiftLeft = 31 - highBit
  const shiftRight = 32 - bitsStored
  const signed = pixelRepresentation === 1
  const words = wordsOf(pixels, bitsAllocated)
  const out = words.slice()
  for (let i = 0; i < out.length; i++) {
    const top = words[i]! << shiftLeft
    out[i] = signed ? top >> shiftRight : top >>> shiftRight
  }
  return Buffer.from(out.buffer, out.byteOffset, out.byteLength)
}

/** A view on the pixels, copied first where they do not lie on a word boundary. */
function wordsOf(pixels: Buffer, bits: number): Uint8Array | Uint16Array | Uint32Array {
  if (bits === 8) return pixels
  const bytes = bits / 8
  const aligned = pixels.byteOffset % bytes === 0 ? pixels : Uint8Array.from(pixels)
  const [buffer, offset, count] = [aligned.buffer, aligned.byteOffset, aligned.length / bytes]
  return bits === 16 ? new Uint16Array(buffer, offset, count) : new Uint32Array(buffer, offset, count)
}
