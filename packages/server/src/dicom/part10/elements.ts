import { MdmError } from '@mdm/core/errors'
import { MAX_HEADER_BYTES, UNDEFINED_LENGTH } from './encoding.ts'
import { bareDataSet, findDataSet, type DataSetStart } from './locate.ts'
import { endOf, readHead, type ElementHead } from './read-head.ts'

/** Elements beside each other; those inside of sequences are passed over and not counted. */
const MAX_ELEMENTS = 20_000
const PIXEL_TAGS = new Set(['x7fe00008', 'x7fe00009', 'x7fe00010'])

/** The elements before the pixel data, and where the pixel data is. */
export interface Elements {
  start: DataSetStart
  byTag: ReadonlyMap<string, ElementHead>
  /** length undefined when encapsulated */
  pixelData: { tag: string; offset: number; length: number | undefined } | undefined
  /** true when the object ends, or stops making sense, before its header does */
  damaged: boolean
}

/**
 * Reads top-level elements up to the pixel data, in the first MAX_HEADER_BYTES. The parser reads the head of each; its value
 * is held against the bytes there are and stepped over here, so that the parser builds no sequence. No message of the
 * parser leaves this function, since it may hold values.
 *
 * @param bytes     first part of the object
 * @param fileBytes length of the whole object
 * @param bare      transfer syntax of `bytes` where it is a data set alone, without preamble and meta information
 * @returns 'more' when the header goes on after `bytes`; undefined when this is no DICOM object
 * @throws MDM_DICOM
 * @see docs/adr/0031-reading-in-process.md
 */
export function readElements(bytes: Buffer, fileBytes: number, bare?: string): Elements | 'more' | undefined {
  const head = bytes.subarray(0, MAX_HEADER_BYTES)
  const partial = head.length < fileBytes && head.length < MAX_HEADER_BYTES
  let start: DataSetStart | undefined
  try {
    start = bare === undefined ? findDataSet(head) : bareDataSet(head, bare)
  } catch (error) {
    if (partial) return 'more'
    throw error instanceof MdmError ? error : new MdmError('MDM_DICOM', 'the object is not readable')
  }
  if (start === undefined) return undefined
  const elements = walk(start)
  return partial && elements.pixelData === undefined ? 'more' : elements
}

function walk(start: DataSetStart): Elements {
  const { bytes } = start
  const byTag = new Map<string, ElementHead>()
  const damaged: Elements = { start, byTag, pixelData: undefined, damaged: true }
  let at = start.offset
  for (let count = 0; at < bytes.length; count++) {
    const element = count < MAX_ELEMENTS ? readHead(start, at) : undefined
    if (element === undefined) return damaged
    const { tag, dataOffset, length } = element
    if (PIXEL_TAGS.has(tag)) {
      const pixels = { tag, offset: dataOffset, length: length === UNDEFINED_LENGTH ? undefined : length }
      return { start, byTag, pixelData: pixels, damaged: false }
    }
    const end = endOf(start, element)
    if (end === undefined) return damaged
    byTag.set(tag, element)
    at = end
  }
  return { start, byTag, pixelData: undefined, damaged: byTag.size === 0 }
}
