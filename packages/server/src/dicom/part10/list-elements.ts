import { decodeText } from './charset.ts'
import { IMPLICIT, spanAt, tagAt, UNDEFINED_LENGTH, type Encoding } from './encoding.ts'
import { bareDataSet } from './locate.ts'
import { ITEM_END, itemAt, SEQUENCE_END } from './skip.ts'

/** One element of an object as people read it. */
export interface ListedElement {
  /** group and element, eight hexadecimal digits, after those of the sequences that it is in: `00400275[1].00400008` */
  readonly path: string
  readonly tag: string
  /** as the object has it, else as the dictionary does; '' where neither says */
  readonly vr: string
  /** text, numbers, or how many bytes or items there are; '' where it is empty */
  readonly value: string
}

const MOST_ELEMENTS = 5_000
const MOST_DEPTH = 16
const MOST_LETTERS = 256
const MOST_NUMBERS = 6
const PIXELS = '7fe00010'

const TEXTS = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT'])
const ASCII = new Set(['AE', 'AS', 'CS', 'DA', 'DS', 'DT', 'IS', 'TM', 'UI', 'UR'])
const NUMBERS: Readonly<
  Record<string, readonly [bytes: number, read: (view: DataView, at: number, little: boolean) => number]>
> = {
  US: [2, (view, at, little) => view.getUint16(at, little)],
  SS: [2, (view, at, little) => view.getInt16(at, little)],
  UL: [4, (view, at, little) => view.getUint32(at, little)],
  SL: [4, (view, at, little) => view.getInt32(at, little)],
  FL: [4, (view, at, little) => view.getFloat32(at, little)],
  FD: [8, (view, at, little) => view.getFloat64(at, little)],
}

/**
 * Every element of a data set, those of sequences too, in order, up to 5,000 and as far as the bytes make sense.
 *
 * @param bytes without file meta information, from its beginning; may be cut short
 * @param vrOf  VR of a tag by the dictionary, for data sets that do not say
 * @throws MDM_DICOM when it is deflated and cannot be inflated
 */
export function listElements(
  bytes: Buffer,
  transferSyntax: string,
  vrOf: (tag: string) => string | undefined,
): { elements: ListedElement[]; complete: boolean } {
  const start = bareDataSet(bytes, transferSyntax)
  const list: List = { bytes: start.bytes, vrOf, elements: [] }
  const end = dataSet(list, start.offset, start.bytes.length, {
    encoding: start,
    prefix: '',
    charset: '',
    depth: 0,
  })
  return { elements: list.elements, complete: end !== undefined }
}

interface List {
  readonly bytes: Buffer
  readonly vrOf: (tag: string) => string | undefined
  readonly elements: ListedElement[]
}

interface Level {
  readonly encoding: Encoding
  readonly prefix: string
  readonly charset: string
  readonly depth: number
}

/** @returns offset behind it, undefined where it ends early */
function dataSet(list: List, from: number, to: number, level: Level): number | undefined {
  const { bytes, elements } = list
  let [at, charset] = [from, level.charset]
  while (at < to) {
    if (at + 8 > to || elements.length >= MOST_ELEMENTS) return undefined
    const number = tagAt(bytes, at, level.encoding.bigEndian)
    if (number === ITEM_END) return at + 8
    const span = spanAt(bytes, at, level.encoding)
    if (span === undefined) return undefined
    const tag = number.toString(16).padStart(8, '0')
    const vr = (level.encoding.explicit ? bytes.toString('latin1', at + 4, at + 6) : list.vrOf(tag)) ?? ''
    const path = level.prefix + tag
    const isOpen = span.length === UNDEFINED_LENGTH
    const end = isOpen ? to : span.dataOffset + span.length
    if ((vr === 'SQ' || isOpen) && tag !== PIXELS) {
      const place = elements.push({ path, tag, vr: 'SQ', value: '' }) - 1
      const encoding = vr === 'UN' ? IMPLICIT : span.items
      const inside = { ...level, encoding, charset, depth: level.depth + 1 }
      const passed = items(list, { from: span.dataOffset, to: Math.min(end, to), isOpen, path }, inside)
      elements[place] = {
        path,
        tag,
        vr: 'SQ',
        value: passed.count === 1 ? '1 item' : `${passed.count} items`,
      }
      if (passed.end === undefined) return undefined
      at = passed.end
      continue
    }
    if (tag === PIXELS && isOpen) {
      elements.push({ path, tag, vr, value: 'compressed' })
      return undefined
    }
    const value = bytes.subarray(span.dataOffset, Math.min(end, to))
    if (tag === '00080005') charset = value.toString('latin1').trim()
    elements.push({
      path,
      tag,
      vr,
      value: shown(value, vr, { charset, length: span.length, ...level.encoding }),
    })
    if (end > to) return undefined
    at = end
  }
  return at
}

function items(
  list: List,
  { from, to, isOpen, path }: { from: number; to: number; isOpen: boolean; path: string },
  level: Level,
): { count: number; end: number | undefined } {
  let [at, count] = [from, 0]
  while (at < to) {
    if (isOpen && at + 8 <= to && tagAt(list.bytes, at, level.encoding.bigEndian) === SEQUENCE_END)
      return { count, end: at + 8 }
    const item = at + 8 <= to ? itemAt(list.bytes, at, level.encoding) : undefined
    if (item === undefined || level.depth > MOST_DEPTH) return { count, end: undefined }
    count++
    const end = item.length === UNDEFINED_LENGTH ? to : item.dataOffset + item.length
    const inside = { ...level, prefix: `${path}[${count}].` }
    const passed = end > to ? undefined : dataSet(list, item.dataOffset, end, inside)
    if (passed === undefined) return { count, end: undefined }
    at = passed
  }
  return { count, end: isOpen ? undefined : at }
}

function shown(
  value: Buffer,
  vr: string,
  o: { charset: string; length: number; bigEndian: boolean },
): string {
  if (o.length === 0) return ''
  if (TEXTS.has(vr)) return cut(decodeText(value.subarray(0, 4 * MOST_LETTERS), o.charset))
  const latin = value.toString('latin1', 0, MOST_LETTERS + 1)
  if (ASCII.has(vr)) return cut(latin)
  const [bytes, read] = NUMBERS[vr] ?? []
  if (bytes !== undefined && read !== undefined) {
    const view = new DataView(value.buffer, value.byteOffset, value.length)
    const count = Math.floor(value.length / bytes)
    const numbers = Array.from({ length: Math.min(count, MOST_NUMBERS) }, (_, i) =>
      read(view, i * bytes, !o.bigEndian),
    )
    return numbers.join('\\') + (count > MOST_NUMBERS ? '\\…' : '')
  }
  // What a private element holds is often text.
  return /^[\x20-\x7e\t\r\n]{2,}\0*$/.test(latin) ? cut(latin) : `${o.length} bytes`
}

function cut(text: string): string {
  const plain = text.replace(/\p{Cc}/gu, ' ').trim()
  return plain.length > MOST_LETTERS ? `${plain.slice(0, MOST_LETTERS)}…` : plain
}
