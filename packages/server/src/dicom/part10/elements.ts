import { MdmError } from '@mdm/core/errors'
import dicomParser from 'dicom-parser'
import type { Element } from 'dicom-parser'
import { bareDataSet, findDataSet, type DataSetStart } from './locate.ts'

/** No header of a single object is longer; per-frame groups of thousands of frames are, and are not supported yet. */
export const MAX_HEADER_BYTES = 4 << 20
const MAX_ELEMENTS = 20_000
const PIXEL_TAGS = new Set(['x7fe00008', 'x7fe00009', 'x7fe00010'])

/** The elements before the pixel data, and where the pixel data is. */
export interface Elements {
  start: DataSetStart
  byTag: ReadonlyMap<string, Element>
  /** length undefined when encapsulated */
  pixelData: { tag: string; offset: number; length: number | undefined } | undefined
  /** true when the object ends, or stops making sense, before its header does */
  damaged: boolean
}

/**
 * Reads top-level elements up to the pixel data. Every declared length is held against the bytes there are; no message
 * of the parser leaves this function, since it may hold values.
 *
 * @param bytes     first part of the object
 * @param fileBytes length of the whole object
 * @param bare      transfer syntax of `bytes` where it is a data set alone, without preamble and meta information
 * @returns 'more' when the header goes on after `bytes`; undefined when this is no DICOM object
 * @throws MDM_DICOM
 */
export function readElements(bytes: Buffer, fileBytes: number, bare?: string): Elements | 'more' | undefined {
  const partial = bytes.length < fileBytes && bytes.length < MAX_HEADER_BYTES
  let start: DataSetStart | undefined
  try {
    start = bare === undefined ? findDataSet(bytes) : bareDataSet(bytes, bare)
  } catch {
    if (partial) return 'more'
    throw new MdmError('MDM_DICOM', 'the file meta information is not readable')
  }
  if (start === undefined) return undefined
  const elements = walk(start)
  return partial && elements.pixelData === undefined ? 'more' : elements
}

function walk(start: DataSetStart): Elements {
  const parser = start.bigEndian
    ? dicomParser.bigEndianByteArrayParser
    : dicomParser.littleEndianByteArrayParser
  const byTag = new Map<string, Element>()
  const end = start.bytes.length
  // the parser refuses to begin where there is nothing
  if (start.offset >= end) return { start, byTag, pixelData: undefined, damaged: true }
  const stream = new dicomParser.ByteStream(parser, start.bytes, start.offset)
  while (stream.position < end) {
    if (byTag.size >= MAX_ELEMENTS) return { start, byTag, pixelData: undefined, damaged: true }
    let element: Element
    try {
      const next = tagAt(start, stream.position)
      element = start.explicit
        ? dicomParser.readDicomElementExplicit(stream, [], next)
        : dicomParser.readDicomElementImplicit(stream, next)
    } catch {
      return { start, byTag, pixelData: undefined, damaged: true }
    }
    if (PIXEL_TAGS.has(element.tag)) {
      const length = element.length === 0xffffffff ? undefined : element.length
      return {
        start,
        byTag,
        pixelData: { tag: element.tag, offset: element.dataOffset, length },
        damaged: false,
      }
    }
    if (stream.position > end) return { start, byTag, pixelData: undefined, damaged: true }
    byTag.set(element.tag, element)
  }
  return { start, byTag, pixelData: undefined, damaged: byTag.size === 0 }
}

/** The tag at an offset when it is pixel data, so that the parser stops before it; else none. */
function tagAt({ bytes, bigEndian }: DataSetStart, offset: number): string | undefined {
  const read = bigEndian ? bytes.readUInt16BE.bind(bytes) : bytes.readUInt16LE.bind(bytes)
  const tag = `x${read(offset).toString(16).padStart(4, '0')}${read(offset + 2)
    .toString(16)
    .padStart(4, '0')}`
  return PIXEL_TAGS.has(tag) ? tag : undefined
}
