import { MdmError } from '@mdm/core/errors'
import type { Encoded } from './encoding.ts'
import { inflateStart } from './inflate.ts'
import { endOf, readHead } from './read-head.ts'

export const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2'
export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1'
export const DEFLATED = '1.2.840.10008.1.2.1.99'
/** There are 20 of them, private ones included. */
const MAX_META_ELEMENTS = 64
export const EXPLICIT_BIG_ENDIAN = '1.2.840.10008.1.2.2'

/** The data set of an object: where it begins in `bytes` and how its elements are written. */
export interface DataSetStart extends Encoded {
  offset: number
  transferSyntax: string
  /** SOP class and instance of the file meta information, for what the data set lacks */
  mediaSop: string | undefined
}

/**
 * Finds the data set: preamble and file meta information are read where they are, and not missed where they are not
 * (archives of the 1990s, DICOM PS3.10 section 7.1).
 *
 * @param bytes first part of the object, from its beginning
 * @returns undefined when this is no DICOM object
 * @throws MDM_DICOM when it says it is one but is not readable
 */
export function findDataSet(bytes: Buffer): DataSetStart | undefined {
  const meta = readFileMeta(bytes)
  return meta && startAt(bytes, meta.end, meta.transferSyntax, meta.sop)
}

/** File meta information: what a server would say of the object, and where its data set begins. */
export interface FileMeta {
  end: number
  transferSyntax: string
  sopClass: string | undefined
  sop: string | undefined
}

/**
 * Reads what stands before the data set of a DICOM file.
 *
 * @returns undefined when this is no DICOM object
 * @throws MDM_DICOM when the meta information is cut short or malformed
 * @see DICOM PS3.10 section 7.1
 */
export function readFileMeta(bytes: Buffer): FileMeta | undefined {
  const bare = startsLikeDicom(bytes)
  // the four letters may also be a part of a value
  const marked = bytes.length >= 132 && bytes.toString('latin1', 128, 132) === 'DICM'
  const preamble = marked && !(bare && bytes.length >= 134 && bytes.readUInt16LE(132) !== 2)
  if (!preamble && !bare) return undefined
  const meta = readMeta(bytes, preamble ? 132 : 0)
  return {
    end: meta.end,
    transferSyntax: meta.transferSyntax || guessSyntax(bytes, meta.end),
    sopClass: meta.sopClass,
    sop: meta.sop,
  }
}

/**
 * A data set without preamble and meta information, as it travels in C-STORE.
 *
 * @throws MDM_DICOM when it is deflated and cannot be inflated
 */
export function bareDataSet(bytes: Buffer, transferSyntax: string): DataSetStart {
  return startAt(bytes, 0, transferSyntax, undefined)
}

function startAt(
  bytes: Buffer,
  offset: number,
  transferSyntax: string,
  mediaSop: string | undefined,
): DataSetStart {
  const start = { bytes, offset, transferSyntax, mediaSop }
  const explicit = transferSyntax !== IMPLICIT_LITTLE_ENDIAN
  if (transferSyntax === DEFLATED)
    return { ...start, bytes: inflateStart(bytes, offset), explicit, bigEndian: false }
  return { ...start, explicit, bigEndian: transferSyntax === EXPLICIT_BIG_ENDIAN }
}

/** Without a preamble: group 0002 or 0008 first, in either byte order, and a first element of a believable length. */
function startsLikeDicom(bytes: Buffer): boolean {
  if (bytes.length < 16) return false
  const little = bytes.readUInt16LE(0)
  const big = bytes.readUInt16BE(0)
  if (little === 2) return hasVr(bytes, 0)
  if (little === 8) return bytes.readUInt16LE(2) < 0x100 && (hasVr(bytes, 0) || bytes.readUInt32LE(4) <= 256)
  return big === 8 && bytes.readUInt16BE(2) < 0x100 && hasVr(bytes, 0)
}

function hasVr(bytes: Buffer, offset: number): boolean {
  return /^(AE|AS|AT|CS|DA|DS|DT|FD|FL|IS|LO|LT|OB|OW|PN|SH|SQ|SS|ST|TM|UI|UL|UN|US|UT)$/.test(
    bytes.toString('latin1', offset + 4, offset + 6),
  )
}

function guessSyntax(bytes: Buffer, offset: number): string {
  if (!hasVr(bytes, offset)) return IMPLICIT_LITTLE_ENDIAN
  return bytes[offset] === 0 ? EXPLICIT_BIG_ENDIAN : EXPLICIT_LITTLE_ENDIAN
}

/**
 * File meta information: group 0002, explicit little endian; its group length is not trusted.
 *
 * @throws MDM_DICOM
 */
function readMeta(bytes: Buffer, start: number): Partial<FileMeta> & { end: number } {
  const meta: Partial<FileMeta> & { end: number } = { end: start }
  for (let count = 0; meta.end + 8 <= bytes.length && bytes.readUInt16LE(meta.end) === 2; count++) {
    const data = { bytes, explicit: true, bigEndian: false }
    const head = count < MAX_META_ELEMENTS ? readHead(data, meta.end) : undefined
    const end = head && endOf(data, head)
    if (head === undefined || end === undefined)
      throw new MdmError('MDM_DICOM', 'the file meta information is not readable')
    const { tag, dataOffset } = head
    const uid = () => withoutPadding(bytes.toString('latin1', dataOffset, Math.min(end, dataOffset + 128)))
    if (tag === 'x00020010') meta.transferSyntax = uid()
    if (tag === 'x00020002') meta.sopClass = uid()
    if (tag === 'x00020003') meta.sop = uid()
    meta.end = end
  }
  return meta
}

function withoutPadding(text: string): string {
  return text.replace(/[\0 ]+$/, '')
}
