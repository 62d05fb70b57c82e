import { MdmError } from '@mdm/core/errors'
import { ITEM, SEQUENCE_END, tagAt, UNDEFINED_LENGTH, unsigned32 } from '../part10/index.ts'
import type { StoredBytes } from './stored-bytes.ts'

/** A part of an object, by its place there. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Encapsulated pixel data: what stands in its items. */
export interface Encapsulated {
  /** the basic offset table, which may be empty */
  readonly table: Span
  readonly fragments: readonly Span[]
}

/** More than any whole-slide image has. */
const MAX_FRAGMENTS = 1 << 20

/**
 * Where the items of encapsulated pixel data lie. Only their lengths say where they end: what looks like a delimiter inside
 * of one is a part of it.
 *
 * @param at where the first item begins
 * @throws MDM_DICOM when the object ends before the sequence does | MDM_PIXELS when it is no sequence of items
 * @see DICOM PS3.5 section A.4
 */
export async function readFragments(bytes: StoredBytes, at: number): Promise<Encapsulated> {
  const items: Span[] = []
  for (let next = at; ;) {
    if (next + 8 > bytes.length)
      throw new MdmError('MDM_DICOM', 'an object ends before its compressed pixels do')
    const head = await bytes.read(next, next + 8)
    const tag = tagAt(head, 0, false)
    const length = unsigned32(head, 4, false)
    if (tag === SEQUENCE_END) break
    if (tag !== ITEM || length === UNDEFINED_LENGTH || items.length > MAX_FRAGMENTS)
      throw new MdmError('MDM_PIXELS', 'compressed pixels are no sequence of fragments')
    const start = next + 8
    next = start + length
    if (next > bytes.length) throw new MdmError('MDM_DICOM', 'an object ends within its compressed pixels')
    items.push({ start, end: next })
  }
  const [table, ...fragments] = items
  if (table === undefined || fragments.length === 0)
    throw new MdmError('MDM_PIXELS', 'compressed pixels have no fragment')
  return { table, fragments }
}
