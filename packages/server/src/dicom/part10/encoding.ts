/** How the elements of a data set are written (DICOM PS3.5 section 7.1, annex A). */
export interface Encoding {
  /** true when each element names its VR */
  readonly explicit: boolean
  readonly bigEndian: boolean
}

/** No header is longer: 10,000 frames with 6 KiB of functional groups each. */
export const MAX_HEADER_BYTES = 64 << 20
/** Where the functional groups of frames have to begin, and no header without them is longer. */
export const MAX_HEAD_BYTES = 4 << 20

/** Bytes with the encoding of the data set in them. */
export interface Encoded extends Encoding {
  readonly bytes: Buffer
}

export const IMPLICIT: Encoding = { explicit: false, bigEndian: false }

/** Length of a value that ends with a delimiter (PS3.5 section 7.5). */
export const UNDEFINED_LENGTH = 0xffffffff

/** VRs whose length takes four bytes, after two that are reserved (PS3.5 table 7.1-1). */
export const LONG_VRS: readonly string[] = 'OB OD OF OL OV OW SQ SV UC UN UR UT UV'.split(' ')
const LONG = new Set(LONG_VRS.map((vr) => Buffer.from(vr).readUInt16BE(0)))
const UN = Buffer.from('UN').readUInt16BE(0)

export interface Span {
  /** where the value begins */
  dataOffset: number
  /** of the value, as declared; may be UNDEFINED_LENGTH, and may be more than there is */
  length: number
  /** how the items of a value of undefined length are written */
  items: Encoding
}

/**
 * Where the value of the element at an offset lies, by its head alone.
 *
 * @returns undefined when the head is cut short
 */
export function spanAt(bytes: Buffer, offset: number, encoding: Encoding): Span | undefined {
  const { explicit, bigEndian } = encoding
  if (offset + 8 > bytes.length) return undefined
  if (!explicit)
    return { dataOffset: offset + 8, length: unsigned32(bytes, offset + 4, bigEndian), items: encoding }
  const vr = (bytes[offset + 4]! << 8) | bytes[offset + 5]!
  if (!LONG.has(vr))
    return { dataOffset: offset + 8, length: unsigned16(bytes, offset + 6, bigEndian), items: encoding }
  if (offset + 12 > bytes.length) return undefined
  // an unknown VR of undefined length is a sequence that somebody passed on without understanding it (PS3.5 section 6.2.2)
  const items = vr === UN ? IMPLICIT : encoding
  return { dataOffset: offset + 12, length: unsigned32(bytes, offset + 8, bigEndian), items }
}

export function unsigned16(bytes: Buffer, at: number, bigEndian: boolean): number {
  return bigEndian ? (bytes[at]! << 8) | bytes[at + 1]! : bytes[at]! | (bytes[at + 1]! << 8)
}

export function unsigned32(bytes: Buffer, at: number, bigEndian: boolean): number {
  const [first, second] = [unsigned16(bytes, at, bigEndian), unsigned16(bytes, at + 2, bigEndian)]
  return bigEndian ? first * 65_536 + second : second * 65_536 + first
}

/** A tag as one number: group, then element. */
export function tagAt(bytes: Buffer, at: number, bigEndian: boolean): number {
  return unsigned16(bytes, at, bigEndian) * 65_536 + unsigned16(bytes, at + 2, bigEndian)
}
