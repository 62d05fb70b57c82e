import type { Volume } from '@mdm/core/volume/volume'
import type { InstanceHeader } from '../../dicom/source.ts'
import type { Plane, ValueMap } from '../plane.ts'

type Words =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array

const WORDS = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const

/**
 * The pixels of one grey plane as voxels of its volume: the stored numbers where the volume's slope is the plane's, else the values
 * themselves.
 *
 * @param pixels little endian, one after the other
 * @returns the same bytes where nothing is to be done
 */
export function voxelsOf(pixels: Buffer, { header, values }: Plane, volume: Volume): Buffer {
  const read = reader(pixels, header)
  const isStored =
    values.table === undefined && values.slope === volume.slope && values.intercept === volume.intercept
  if (isStored && read.isWhole && read.type === volume.type) return pixels
  const out = new WORDS[volume.type as keyof typeof WORDS](read.words.length)
  if (isStored) fill(out, read, (number) => number)
  else if (values.table !== undefined) fill(out, read, lookUp(values.table))
  else fill(out, read, (number) => number * values.slope + values.intercept)
  return Buffer.from(out.buffer, out.byteOffset, out.byteLength)
}

interface Reader {
  readonly words: Words
  readonly type: string
  /** true where a word is a number as it is, with no bits that do not belong to it */
  readonly isWhole: boolean
  readonly shiftLeft: number
  readonly shiftRight: number
  readonly isSigned: boolean
}

/** Keeps the BitsStored bits below HighBit: what lies outside them (old overlays) is no part of the value (PS3.5 section 8.1.1). */
function reader(pixels: Buffer, header: InstanceHeader): Reader {
  const { bitsAllocated = 8, bitsStored = 8, highBit = 7, pixelRepresentation, floatPixels } = header
  const isSigned = pixelRepresentation === 1
  const bits = Math.max(8, bitsAllocated)
  const type = floatPixels ? `float${bits}` : `${isSigned ? '' : 'u'}int${bits}`
  const isWhole = floatPixels || bitsStored === bitsAllocated
  const words = wordsOf(pixels, type as keyof typeof WORDS)
  return { words, type, isWhole, isSigned, shiftLeft: 31 - highBit, shiftRight: 32 - bitsStored }
}

function fill(out: Words, read: Reader, valueOf: (number: number) => number): void {
  const { words, isWhole, isSigned, shiftLeft, shiftRight } = read
  for (let i = 0; i < out.length; i++) {
    const word = words[i]!
    const top = word << shiftLeft
    out[i] = valueOf(isWhole ? word : isSigned ? top >> shiftRight : top >>> shiftRight)
  }
}

/** What lies outside the table has the nearest entry's value. */
function lookUp({ first, values }: NonNullable<ValueMap['table']>): (number: number) => number {
  return (number) => values[Math.min(values.length - 1, Math.max(0, number - first))]!
}

/** A view on the pixels, copied first where they do not lie on a word boundary. */
function wordsOf(pixels: Buffer, type: keyof typeof WORDS): Words {
  const view = WORDS[type]
  const bytes = view.BYTES_PER_ELEMENT
  const aligned = pixels.byteOffset % bytes === 0 ? pixels : Uint8Array.from(pixels)
  return new view(aligned.buffer as ArrayBuffer, aligned.byteOffset, Math.floor(aligned.length / bytes))
}
