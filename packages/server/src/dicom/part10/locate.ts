import { inflateRawSync, constants } from 'node:zlib'
import { MdmError } from '@mdm/core/errors'
import dicomParser from 'dicom-parser'

export const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2'
export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1'
const DEFLATED = '1.2.840.10008.1.2.1.99'
const EXPLICIT_BIG_ENDIAN = '1.2.840.10008.1.2.2'

/** The data set of an object: where it begins in `bytes` and how its elements are written. */
export interface DataSetStart {
  bytes: Buffer
  offset: number
  transferSyntax: string
  explicit: boolean
  bigEndian: boolean
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
 * @throws what the parser says of damaged meta information; it may hold values
 * @see DICOM PS3.10 section 7.1
 */
export function readFileMeta(bytes: Buffer): FileMeta | undefined {
  const preamble = bytes.length >= 132 && bytes.toString('latin1', 128, 132) === 'DICM'
  if (!preamble && !startsLikeDicom(bytes)) return undefined
  const meta = readMeta(bytes, preamble ? 132 : 0)
  return {
    end: meta.end,
    transferSyntax: meta.transferSyntax ?? guessSyntax(bytes, meta.end),
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
    return { ...start, bytes: inflate(bytes, offset), explicit, bigEndian: false }
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

/** File meta information: group 0002, explicit little endian; its group length is not trusted. */
function readMeta(bytes: Buffer, start: number): Partial<FileMeta> & { end: number } {
  const stream = new dicomParser.ByteStream(dicomParser.littleEndianByteArrayParser, bytes, start)
  const meta: Partial<FileMeta> & { end: number } = { end: start }
  for (let count = 0; count < 64 && stream.position + 8 <= bytes.length; count++) {
    if (bytes.readUInt16LE(stream.position) !== 2) break
    const element = dicomParser.readDicomElementExplicit(stream)
    const value = bytes.toString(
      'latin1',
      element.dataOffset,
      element.dataOffset + Math.min(element.length, 128),
    )
    if (element.tag === 'x00020010') meta.transferSyntax = value.replace(/[\0 ]+$/, '')
    if (element.tag === 'x00020002') meta.sopClass = value.replace(/[\0 ]+$/, '')
    if (element.tag === 'x00020003') meta.sop = value.replace(/[\0 ]+$/, '')
    meta.end = stream.position
  }
  return meta
}

/** Deflated data sets: never more than what 64 KiB can inflate to at the format's best ratio, 1032 to 1. */
function inflate(bytes: Buffer, offset: number): Buffer {
  try {
    const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 68 << 20 }
    return Buffer.concat([bytes.subarray(0, offset), inflateRawSync(bytes.subarray(offset), options)])
  } catch {
    throw new MdmError('MDM_DICOM', 'the deflated data set cannot be inflated')
  }
}
