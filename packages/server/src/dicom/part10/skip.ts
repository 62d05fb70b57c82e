import { spanAt, tagAt, UNDEFINED_LENGTH, unsigned32, type Encoding, type Span } from './encoding.ts'

/** Sequences in sequences and the items between them; structured reports, the deepest there are, stay below 40. */
const MAX_OPEN = 128

/** Item, end of an item, end of a sequence (DICOM PS3.5 section 7.5). */
const ITEM = 0xfffee000
const ITEM_END = 0xfffee00d
const SEQUENCE_END = 0xfffee0dd

/** A sequence or an item that only a delimiter ends. */
interface Open {
  readonly sequence: boolean
  readonly encoding: Encoding
}

/**
 * Where a value of undefined length ends: a sequence, or pixel data in fragments. Goes forward only, one step for each
 * item and element in it; of what it passes it keeps nothing but how deep it is. What has a length is not looked into.
 *
 * @param from     where the value begins
 * @param encoding of its items
 * @returns offset behind its delimiter, which may be behind `bytes`; undefined when there is none, or it is nested too deep
 */
export function skipItems(bytes: Buffer, from: number, encoding: Encoding): number | undefined {
  let at = from
  const open: Open[] = [{ sequence: true, encoding }]
  for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
    if (at + 8 > bytes.length) return undefined
    const { sequence, encoding: written } = level
    const tag = tagAt(bytes, at, written.bigEndian)
    if (tag === (sequence ? SEQUENCE_END : ITEM_END)) {
      open.pop()
      at += 8
      continue
    }
    const span = sequence ? itemAt(bytes, at, written) : tag >= ITEM ? undefined : spanAt(bytes, at, written)
    if (span === undefined) return undefined
    at = span.dataOffset
    if (span.length !== UNDEFINED_LENGTH) at += span.length
    else if (open.length < MAX_OPEN) open.push({ sequence: !sequence, encoding: span.items })
    else return undefined
  }
  return at
}

/** An item names no VR, however its data set is written. */
function itemAt(bytes: Buffer, at: number, encoding: Encoding): Span | undefined {
  if (tagAt(bytes, at, encoding.bigEndian) !== ITEM) return undefined
  return { dataOffset: at + 8, length: unsigned32(bytes, at + 4, encoding.bigEndian), items: encoding }
}
