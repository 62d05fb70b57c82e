import type { Element } from '../../conformance/raw-object.ts'

const COLUMNS = 16
const ROWS = 12

/** The first word in which pixelsOf() puts letters that are stored: behind all that is above them. */
const STORED_FROM = 64

/**
 * What makes an object a slice, without anybody's name.
 *
 * @param o CT, AXIAL and 12 bits unless told
 */
export function image(k: number, o: { modality?: string; type?: string; bits?: number } = {}): Element[] {
  const { modality = 'CT', type = 'AXIAL', bits = 12 } = o
  const text = (tag: string, vr: string, value: string): Element => ({ tag, vr, value })
  const number = (tag: string, value: number): Element => ({ tag, vr: 'US', value: [value] })
  return [
    ...[text('00080008', 'CS', `ORIGINAL\\PRIMARY\\${type}`), text('00080060', 'CS', modality)],
    ...[text('00180050', 'DS', '2'), text('00200013', 'IS', String(k + 1))],
    ...[text('00200032', 'DS', `0\\0\\${2 * k}`), text('00200037', 'DS', '1\\0\\0\\0\\1\\0')],
    ...[number('00280002', 1), text('00280004', 'CS', 'MONOCHROME2')],
    ...[number('00280010', ROWS), number('00280011', COLUMNS), text('00280030', 'DS', '1\\1')],
    ...[number('00280100', 16), number('00280101', bits), number('00280102', bits - 1)],
    ...[number('00280103', 0)],
    ...[text('00281052', 'DS', '0'), text('00281053', 'DS', '1')],
  ]
}

/**
 * Values of 12 bits.
 *
 * @param o `above`: a text in the four bits above, half a letter in each word; `stored`: one in the values, a letter in each
 */
export function pixelsOf(k: number, o: { above?: string; stored?: string } = {}): Buffer {
  const pixels = Buffer.alloc(COLUMNS * ROWS * 2)
  const [above, stored] = [Buffer.from(o.above ?? ''), Buffer.from(o.stored ?? '')]
  for (let i = 0; i < COLUMNS * ROWS; i++) {
    const letter = above[i >> 1] ?? 0
    const half = i % 2 === 0 ? letter >> 4 : letter & 15
    pixels.writeUInt16LE((half << 12) | (stored[i - STORED_FROM] ?? 100 * k + i), 2 * i)
  }
  return pixels
}

/** The letters that lie in the upper four bits of words, as pixelsOf() puts them there, whichever byte those begin at. */
export function upperBits(content: Buffer): Buffer {
  return Buffer.concat([0, 1, 2, 3].flatMap((at) => [lettersIn(content.subarray(at)), Buffer.from('|')]))
}

function lettersIn(words: Buffer): Buffer {
  const out = Buffer.alloc(words.length >> 2)
  for (let i = 0; i < out.length; i++) out[i] = (words[4 * i + 1]! & 0xf0) | (words[4 * i + 3]! >> 4)
  return out
}
