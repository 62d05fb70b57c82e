import { MdmError } from '@mdm/core/errors'
import { MAX_HEAD_BYTES, MAX_HEADER_BYTES, UNDEFINED_LENGTH } from './encoding.ts'
import { bareDataSet, findDataSet, type DataSetStart } from './locate.ts'
import { passValue, readHead, type ElementHead } from './read-head.ts'
import { PAUSE_AFTER, type Steps } from './steps.ts'

/** Elements beside each other; those inside of sequences are passed over and not counted. */
const MAX_ELEMENTS = 20_000
/** The functional groups of each frame, which alone may be longer than MAX_HEAD_BYTES. */
export const PER_FRAME_GROUPS = 'x52009230'
const PIXEL_TAGS = new Set(['x7fe00008', 'x7fe00009', 'x7fe00010'])

/** The elements before the pixel data, and where the pixel data is. */
export interface Elements {
  start: DataSetStart
  byTag: ReadonlyMap<string, ElementHead>
  /** length undefined when encapsulated */
  pixelData: { tag: string; vr: string | undefined; offset: number; length: number | undefined } | undefined
  /** true when the object ends, or stops making sense, before its header does */
  damaged: boolean
  /** tag of the element that begins in the bytes there are and does not end in them */
  unended?: string
}

/**
 * Reads top-level elements up to the pixel data: in the first MAX_HEAD_BYTES, and in the first MAX_HEADER_BYTES where the
 * functional groups of frames begin in those. The parser reads the head of each; its value is held against the bytes there
 * are and stepped over here, so that the parser builds no sequence. No message of the parser leaves this function, since it
 * may hold values.
 *
 * @param bytes     first part of the object
 * @param fileBytes length of the whole object
 * @param bare      transfer syntax of `bytes` where it is a data set alone, without preamble and meta information
 * @returns 'more' when the header goes on after `bytes`; undefined when this is no DICOM object
 * @throws MDM_DICOM
 * @see docs/adr/0031-reading-in-process.md, docs/adr/0040-functional-groups.md
 */
export function* readElements(
  bytes: Buffer,
  fileBytes: number,
  bare?: string,
): Steps<Elements | 'more' | undefined> {
  const head = yield* readFirst(bytes.subarray(0, MAX_HEAD_BYTES), fileBytes, MAX_HEAD_BYTES, bare)
  const inGroups =
    typeof head === 'object' && (head.unended === PER_FRAME_GROUPS || head.byTag.has(PER_FRAME_GROUPS))
  const cut = inGroups && head.pixelData === undefined && fileBytes > MAX_HEAD_BYTES
  return cut ? yield* readFirst(bytes.subarray(0, MAX_HEADER_BYTES), fileBytes, MAX_HEADER_BYTES, bare) : head
}

function* readFirst(
  head: Buffer,
  fileBytes: number,
  most: number,
  bare?: string,
): Steps<Elements | 'more' | undefined> {
  const partial = head.length < fileBytes && head.length < most
  let start: DataSetStart | undefined
  try {
    start = bare === undefined ? findDataSet(head) : bareDataSet(head, bare)
  } catch (error) {
    if (partial) return 'more'
    throw error instanceof MdmError ? error : new MdmError('MDM_DICOM', 'the object is not readable')
  }
  if (start === undefined) return undefined
  const elements = yield* walk(start)
  return partial && elements.pixelData === undefined ? 'more' : elements
}

function* walk(start: DataSetStart): Steps<Elements> {
  const { bytes } = start
  const byTag = new Map<string, ElementHead>()
  const damaged: Elements = { start, byTag, pixelData: undefined, damaged: true }
  let at = start.offset
  for (let count = 0; at < bytes.length; count++) {
    if (count % PAUSE_AFTER === PAUSE_AFTER - 1) yield
    const element = count < MAX_ELEMENTS ? readHead(start, at) : undefined
    if (element === undefined) return damaged
    const { tag, vr, dataOffset, length } = element
    if (PIXEL_TAGS.has(tag)) {
      const pixels = { tag, vr, offset: dataOffset, length: length === UNDEFINED_LENGTH ? undefined : length }
      return { start, byTag, pixelData: pixels, damaged: false }
    }
    const end = yield* passValue(start, element)
    if (end === undefined) return { ...damaged, unended: tag }
    byTag.set(tag, element)
    at = end
  }
  return { start, byTag, pixelData: undefined, damaged: byTag.size === 0 }
}
