/** Pieces of data sets that are small to write and dear to read. Each is made once; `size` runs from 0 to 1. */
import { deflateRawSync } from 'node:zlib'
import type { Encoding } from '@mdm/server/dicom/part10/encoding'
import { element, EXPLICIT, ITEM, ITEM_END, mark, nested, SEQUENCE_END } from './write.ts'

const UNDEFINED = 0xffffffff
/** As many as a header may have bytes, and some more. */
const MOST_BYTES = 5 << 20

const kept = new Map<string, Buffer>()

function once(name: string, make: () => Buffer): Buffer {
  const found = kept.get(name) ?? make()
  kept.set(name, found)
  return found
}

/** The first `size` of so many repetitions as fill a header, in whole ones. */
function repeated(name: string, unit: Buffer, size: number): Buffer {
  const all = once(name, () =>
    Buffer.alloc(MOST_BYTES - (MOST_BYTES % unit.length), unit.toString('latin1'), 'latin1'),
  )
  return all.subarray(0, Math.max(1, Math.round((size * all.length) / unit.length)) * unit.length)
}

const kind = ({ explicit, bigEndian }: Encoding): string => `${explicit} ${bigEndian}`

/** Up to some hundred thousand elements without a value. */
export function manyElements(encoding: Encoding, size: number): Buffer {
  const empty = element(0x00080005, 'CS', '', encoding)
  return repeated(`elements ${kind(encoding)}`, empty, size)
}

/** A sequence of up to some hundred thousand items without an element, each ended by a delimiter. */
export function manyItems(encoding: Encoding, size: number, vr = 'SQ'): Buffer {
  const inside = vr === 'UN' ? { explicit: false, bigEndian: false } : encoding
  const item = Buffer.concat([mark(ITEM, inside, UNDEFINED), mark(ITEM_END, inside)])
  return Buffer.concat([
    element(0x00081140, vr, '', encoding, UNDEFINED),
    repeated(`items ${kind(inside)}`, item, size),
    mark(SEQUENCE_END, inside),
  ])
}

/** One item of a sequence, with very many elements. */
export function manyInside(encoding: Encoding, size: number): Buffer {
  return Buffer.concat([
    element(0x00081140, 'SQ', '', encoding, UNDEFINED),
    mark(ITEM, encoding, UNDEFINED),
    manyElements(encoding, size),
    mark(ITEM_END, encoding),
    mark(SEQUENCE_END, encoding),
  ])
}

/** Sequences that begin and never end, beside each other: a reader that looks for each end reads all that follows each time. */
export function manyUnended(encoding: Encoding, size: number, vr = 'OB'): Buffer {
  const head = element(0x00091001, vr, '', encoding, UNDEFINED)
  return repeated(`unended ${vr} ${kind(encoding)}`, head, size)
}

/** Sequences in sequences, up to 10,000 deep and more. */
export function deep(encoding: Encoding, size: number, closed: boolean, vr = 'SQ'): Buffer {
  const depth = 1 + Math.round(20_000 * size)
  return nested(depth, { encoding, closed, vr, tag: vr === 'SQ' ? 0x00081140 : 0x00091001 })
}

/** Deflated bytes that inflate to a thousand times as many: zeros, elements, or items of a sequence. */
export function bomb(of: 'zeros' | 'elements' | 'items'): Buffer {
  return once(`bomb ${of}`, () => {
    if (of === 'zeros') return deflateRawSync(Buffer.alloc(64 << 20))
    const inflated = of === 'elements' ? manyElements(EXPLICIT, 1) : manyItems(EXPLICIT, 1)
    return deflateRawSync(Buffer.concat(Array<Buffer>(4).fill(inflated)))
  })
}

/** Deflated bytes that inflate to nothing, in very many blocks that each bring a code of their own. */
export function emptyBlocks(): Buffer {
  return once('blocks', () => {
    const bits: number[] = []
    const put = (value: number, count: number): void => {
      for (let bit = 0; bit < count; bit++) bits.push((value >> bit) & 1)
    }
    const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1]
    for (let block = 0; block < 4096; block++) {
      put(0b100, 3)
      put(0, 10)
      put(order.length - 4, 4)
      for (const symbol of order) put(symbol === 18 ? 1 : symbol < 2 ? 2 : 0, 3)
      // lengths of the codes: 256 times none, then 1 for the end of the block, and 1 for one distance
      put(0 | (127 << 1), 8)
      put(0 | (107 << 1), 8)
      put(0b1111, 4)
      put(0, 1)
    }
    const bytes = Buffer.alloc(bits.length / 8)
    for (const [i, bit] of bits.entries()) bytes[i >> 3]! |= bit << (i & 7)
    return Buffer.concat(Array<Buffer>(32).fill(bytes))
  })
}
