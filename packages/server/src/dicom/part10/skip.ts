import { spanAt, tagAt, UNDEFINED_LENGTH, unsigned32, type Encoding, type Span } from './encoding.ts'
import { atOnce, PAUSE_AFTER, type Steps } from './steps.ts'

/** Sequences in sequences and the items between them; structured reports, the deepest there are, stay below 40. */
const MAX_OPEN = 128

/** Item, end of an item, end of a sequence (DICOM PS3.5 section 7.5). */
export const ITEM = 0xfffee000
export const ITEM_END = 0xfffee00d
export const SEQUENCE_END = 0xfffee0dd

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
export function* passItems(bytes: Buffer, from: number, encoding: Encoding): Steps<number | undefined> {
  const pass: Pass = { at: from, open: [{ sequence: true, encoding }] }
  while (pass.open.length > 0) {
    if (!passSome(bytes, pass)) return undefined
    if (pass.open.length > 0) yield
  }
  return pass.at
}

/** Like passItems(), in one go. */
export function skipItems(bytes: Buffer, from: number, encoding: Encoding): number | undefined {
  return atOnce(passItems(bytes, from, encoding))
}

interface Pass {
  at: number
  readonly open: Open[]
}

/** Goes on until all is closed or a pause is due. @returns false when the bytes do not make sense */
function passSome(bytes: Buffer, pass: Pass): boolean {
  const { open } = pass
  for (let steps = 0; steps < PAUSE_AFTER; steps++) {
    const level = open.at(-1)
    if (level === undefined) return true
    if (pass.at + 8 > bytes.length) return false
    const { sequence, encoding: written } = level
    const tag = tagAt(bytes, pass.at, written.bigEndian)
    if (tag === (sequence ? SEQUENCE_END : ITEM_END)) {
      open.pop()
      pass.at += 8
      continue
    }
    const span = sequence
      ? itemAt(bytes, pass.at, written)
      : tag >= ITEM
        ? undefined
        : spanAt(bytes, pass.at, written)
    if (span === undefined) return false
    pass.at = span.dataOffset
    if (span.length !== UNDEFINED_LENGTH) pass.at += span.length
    else if (open.length < MAX_OPEN) open.push({ sequence: !sequence, encoding: span.items })
    else return false
  }
  return true
}

/** An item names no VR, however its data set is written. */
export function itemAt(bytes: Buffer, at: number, encoding: Encoding): Span | undefined {
  if (tagAt(bytes, at, encoding.bigEndian) !== ITEM) return undefined
  return { dataOffset: at + 8, length: unsigned32(bytes, at + 4, encoding.bigEndian), items: encoding }
}
