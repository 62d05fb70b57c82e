import { IMPLICIT, spanAt, tagAt, UNDEFINED_LENGTH, type Encoding, type Span } from './encoding.ts'
import { ITEM, ITEM_END, itemAt, passItems, SEQUENCE_END } from './skip.ts'
import { PAUSE_AFTER, type Steps } from './steps.ts'

/**
 * What is wanted of a sequence, by tag: a name for the value of an element, or what is wanted of a sequence in it. The first item
 * of such an inner sequence is read, the others are passed over.
 */
export type Wanted<Name> = ReadonlyMap<number, Name | Wanted<Name>>

/** Where the value of a wanted element lies. */
export interface Value {
  readonly bytes: Buffer
  readonly from: number
  readonly to: number
  readonly bigEndian: boolean
}

export interface Reader<Name> {
  readonly wanted: Wanted<Name>
  /** called for each item of the outermost sequence, before its values; false passes over its values */
  item(index: number): boolean
  /** called for each wanted value, in order of the bytes */
  value(name: Name, value: Value): void
}

/** Of an item that is passed over. */
const NOTHING: Wanted<never> = new Map()

/**
 * Reads what is wanted of a sequence, in one pass that goes forward only and keeps nothing. How deep it goes is up to what is
 * wanted; all else is stepped over as part10/skip.ts does.
 *
 * @param span  the value of the sequence
 * @returns number of its items; undefined when it does not make sense up to its end
 */
export function* readItems<Name>(bytes: Buffer, span: Span, reader: Reader<Name>): Steps<number | undefined> {
  const counter = { passed: 0, items: 0 }
  const end = yield* sequence({ bytes, reader, counter }, span, reader.wanted, true)
  return end === undefined || end > bytes.length ? undefined : counter.items
}

interface Pass<Name> {
  readonly bytes: Buffer
  readonly reader: Reader<Name>
  readonly counter: { passed: number; items: number }
}

/** @returns offset behind the sequence */
function* sequence<Name>(
  pass: Pass<Name>,
  { dataOffset, length, items: encoding }: Span,
  wanted: Wanted<Name>,
  outermost: boolean,
): Steps<number | undefined> {
  const { bytes, reader, counter } = pass
  const end = length === UNDEFINED_LENGTH ? bytes.length : dataOffset + length
  if (end > bytes.length) return undefined
  let at = dataOffset
  for (let index = 0; at < end; index++) {
    if (++counter.passed % PAUSE_AFTER === 0) yield
    if (at + 8 > end) return undefined
    if (length === UNDEFINED_LENGTH && tagAt(bytes, at, encoding.bigEndian) === SEQUENCE_END) return at + 8
    const span = itemAt(bytes, at, encoding)
    if (span === undefined) return undefined
    const isRead = outermost ? reader.item(index) : index === 0
    if (outermost) counter.items++
    const next: number | undefined =
      !isRead && span.length !== UNDEFINED_LENGTH
        ? span.dataOffset + span.length
        : yield* item(pass, span, encoding, isRead ? wanted : NOTHING)
    if (next === undefined || next > end) return undefined
    at = next
  }
  return length === UNDEFINED_LENGTH ? undefined : at
}

/** @returns offset behind the item */
function* item<Name>(
  pass: Pass<Name>,
  { dataOffset, length }: Span,
  encoding: Encoding,
  wanted: Wanted<Name>,
): Steps<number | undefined> {
  const { bytes, reader, counter } = pass
  const end = length === UNDEFINED_LENGTH ? bytes.length : dataOffset + length
  if (end > bytes.length) return undefined
  let at = dataOffset
  while (at < end) {
    if (++counter.passed % PAUSE_AFTER === 0) yield
    if (at + 8 > end) return undefined
    const tag = tagAt(bytes, at, encoding.bigEndian)
    if (length === UNDEFINED_LENGTH && tag === ITEM_END) return at + 8
    const span = tag >= ITEM ? undefined : spanAt(bytes, at, encoding)
    if (span === undefined) return undefined
    const want = wanted.get(tag)
    const inner = want instanceof Map ? asSequence(bytes, at, span, encoding) : undefined
    const next: number | undefined =
      inner !== undefined
        ? yield* sequence(pass, inner, want as Wanted<Name>, false)
        : span.length === UNDEFINED_LENGTH
          ? yield* passItems(bytes, span.dataOffset, span.items)
          : span.dataOffset + span.length
    if (next === undefined || next > end) return undefined
    if (want !== undefined && !(want instanceof Map) && span.length !== UNDEFINED_LENGTH)
      reader.value(want as Name, { bytes, from: span.dataOffset, to: next, bigEndian: encoding.bigEndian })
    at = next
  }
  return length === UNDEFINED_LENGTH ? undefined : at
}

/**
 * The items of a sequence; those of one that somebody passed on as UN are implicit (PS3.5 section 6.2.2).
 *
 * @returns undefined for an element that says it is none
 */
function asSequence(bytes: Buffer, at: number, span: Span, encoding: Encoding): Span | undefined {
  const vr = encoding.explicit ? bytes.toString('latin1', at + 4, at + 6) : 'SQ'
  if (vr === 'UN') return { ...span, items: IMPLICIT }
  return vr === 'SQ' ? span : undefined
}
