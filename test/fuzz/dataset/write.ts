/** Writes elements byte by byte, also such as no library would write. */
import { LONG_VRS, UNDEFINED_LENGTH, type Encoding } from '@mdm/server/dicom/part10/encoding'

export const EXPLICIT: Encoding = { explicit: true, bigEndian: false }
export const ITEM = 0xfffee000
export const ITEM_END = 0xfffee00d
export const SEQUENCE_END = 0xfffee0dd

/** An element of DICOM PS3.5 section 7.1; `length` is what it declares. */
export function element(
  tag: number,
  vr: string,
  value: Buffer | string,
  { explicit, bigEndian }: Encoding = EXPLICIT,
  length = value.length,
): Buffer {
  const head = Buffer.alloc(12)
  const u16 = (number: number, at: number) =>
    bigEndian ? head.writeUInt16BE(number, at) : head.writeUInt16LE(number, at)
  const u32 = (number: number, at: number) =>
    bigEndian ? head.writeUInt32BE(number, at) : head.writeUInt32LE(number, at)
  u16(tag >>> 16, 0)
  u16(tag & 0xffff, 2)
  const delimiter = tag >>> 16 === 0xfffe
  const long = explicit && !delimiter && LONG_VRS.includes(vr)
  if (explicit && !delimiter) head.write(vr, 4, 'latin1')
  if (long) u32(length, 8)
  else if (explicit && !delimiter) u16(length & 0xffff, 6)
  else u32(length, 4)
  return Buffer.concat([head.subarray(0, long ? 12 : 8), Buffer.from(value)])
}

/** An item or a delimiter. */
export function mark(tag: number, encoding: Encoding = EXPLICIT, length = 0): Buffer {
  return element(tag, '', '', encoding, length)
}

/** `depth` sequences of undefined length in each other, each in an item of undefined length; ended when `closed`. */
export function nested(
  depth: number,
  o: { tag?: number; vr?: string; encoding?: Encoding; closed?: boolean } = {},
): Buffer {
  const { tag = 0x00081140, vr = 'SQ', encoding = EXPLICIT } = o
  const inside = vr === 'UN' ? { explicit: false, bigEndian: false } : encoding
  const level = (e: Encoding) =>
    Buffer.concat([element(tag, vr, '', e, UNDEFINED_LENGTH), mark(ITEM, inside, UNDEFINED_LENGTH)])
  const end = Buffer.concat([mark(ITEM_END, inside), mark(SEQUENCE_END, inside)])
  const ends = o.closed ? Array<Buffer>(depth).fill(end) : []
  return Buffer.concat([level(encoding), ...Array<Buffer>(depth - 1).fill(level(inside)), ...ends])
}

/** Pixel data in fragments (PS3.5 A.4) with an empty offset table. */
export function fragments(count: number, bytes: number): Buffer {
  const fragment = Buffer.concat([mark(ITEM, EXPLICIT, bytes), Buffer.alloc(bytes, 0xd8)])
  return Buffer.concat([
    element(0x7fe00010, 'OB', '', EXPLICIT, UNDEFINED_LENGTH),
    mark(ITEM),
    ...Array<Buffer>(count).fill(fragment),
    mark(SEQUENCE_END),
  ])
}

/** The same file meta information with another transfer syntax; as it is where it names none. */
export function withSyntax(meta: Buffer, uid: string): Buffer {
  const tag = meta.indexOf(Buffer.from([2, 0, 0x10, 0, 0x55, 0x49]), 132)
  if (tag < 0) return meta
  const end = tag + 8 + meta.readUInt16LE(tag + 6)
  const padded = uid.length % 2 === 0 ? uid : `${uid}\0`
  return Buffer.concat([meta.subarray(0, tag), element(0x00020010, 'UI', padded), meta.subarray(end)])
}

const WORD_BYTES: Readonly<Record<string, number>> = {
  US: 2,
  SS: 2,
  OW: 2,
  AT: 2,
  UL: 4,
  SL: 4,
  FL: 4,
  FD: 8,
}

/** A data set in explicit little endian as explicit big endian; what its sequences hold is left out. */
export function toBigEndian(dataSet: Buffer, elements: readonly number[]): Buffer {
  const out = elements.map((at, i) => {
    const vr = dataSet.toString('latin1', at + 4, at + 6)
    const value = Buffer.from(dataSet.subarray(at + (LONG_VRS.includes(vr) ? 12 : 8), elements[i + 1]))
    const words = WORD_BYTES[vr]
    for (let word = 0; words !== undefined && word < value.length; word += words)
      value.subarray(word, word + words).reverse()
    const tag = dataSet.readUInt16LE(at) * 65_536 + dataSet.readUInt16LE(at + 2)
    return element(tag, vr, vr === 'SQ' ? '' : value, { explicit: true, bigEndian: true })
  })
  return Buffer.concat(out)
}
