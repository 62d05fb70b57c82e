import { MdmError } from '@mdm/core/errors'
import { decodeText } from '../part10/charset.ts'
import { IMPLICIT_LITTLE_ENDIAN } from '../part10/locate.ts'
import { dimseError } from './faults.ts'

const CHARACTER_SET = '00080005'
/** Value representations of query attributes (PS3.6); UI pads with NUL, the others with a blank. */
const BY_VR: Readonly<Record<string, string>> = {
  AE: '00080054',
  AS: '00101010',
  CS: '00080005 00080008 00080052 00080056 00080060 00080061 00100040 00180015 00185100 00280301',
  DA: '00080020 00080021 00080022 00080023 00100030',
  DS: '00101030 00180050 00180088 00200032 00200037 00201041 00280030',
  IS: '00200011 00200012 00200013 00200100 00201200 00201202 00201204 00201206 00201208 00201209 00280008',
  LO: '00080070 00080080 00081030 0008103e 00081090 00100020 00100021 00181030',
  PN: '00080090 00081050 00081060 00081070 00100010',
  SH: '00080050 00081010 00200010',
  TM: '00080030 00080031 00080032 00080033',
  UI: '00080016 00080018 00080062 0020000d 0020000e 00200052',
  US: '00280010 00280011 00280100',
}
const VR_OF = new Map(Object.entries(BY_VR).flatMap(([vr, tags]) => tags.split(' ').map((tag) => [tag, vr])))

/** VRs whose length has 4 bytes after 2 reserved ones (PS3.5 7.1.2). */
const LONG = /^(OB|OD|OF|OL|OV|OW|SQ|SV|UC|UN|UR|UT|UV)$/
const TEXT = /^(AE|AS|CS|DA|DS|DT|IS|LO|LT|PN|SH|ST|TM|UC|UI|UR|UT)$/
const UNDEFINED = 0xffffffff
const MAX_ELEMENTS = 4096
const MAX_VALUE_BYTES = 1024
const MAX_DEPTH = 16
const ITEM_END = 'fffee00d'
const SEQUENCE_END = 'fffee0dd'

/**
 * A query identifier as a data set, elements in the order of their tags (PS3.4 C.2.2).
 *
 * @param keys tags as 'ggggeeee', lower case; text that is not Latin-1 needs 00080005 to be ISO_IR 192
 * @throws MDM_INTERNAL for a tag whose VR is not listed here, or a value that is too long
 */
export function encodeIdentifier(keys: Readonly<Record<string, string>>, transferSyntax: string): Buffer {
  const encoding = keys[CHARACTER_SET] === 'ISO_IR 192' ? 'utf8' : 'latin1'
  const explicit = transferSyntax !== IMPLICIT_LITTLE_ENDIAN
  const tags = Object.keys(keys).toSorted()
  return Buffer.concat(tags.flatMap((tag) => encodeElement(tag, keys[tag]!, encoding, explicit)))
}

function encodeElement(tag: string, text: string, encoding: BufferEncoding, explicit: boolean): Buffer[] {
  const vr = VR_OF.get(tag)
  if (vr === undefined) throw new MdmError('MDM_INTERNAL', 'a query key has no value representation')
  const value = vr === 'US' && text !== '' ? unsigned(text) : Buffer.from(text, encoding)
  const padding = Buffer.from(vr === 'UI' ? '\0' : ' ').subarray(0, value.length % 2)
  const header = Buffer.alloc(8)
  header.writeUInt16LE(parseInt(tag.slice(0, 4), 16), 0)
  header.writeUInt16LE(parseInt(tag.slice(4), 16), 2)
  const length = value.length + padding.length
  if (explicit && length > 0xfffe) throw new MdmError('MDM_INTERNAL', 'a query key has too many values')
  if (explicit) header.write(vr, 4, 'latin1')
  if (explicit) header.writeUInt16LE(length, 6)
  else header.writeUInt32LE(length, 4)
  return [header, value, padding]
}

function unsigned(text: string): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(Number(text))
  return bytes
}

/**
 * Reads the top-level attributes that are wanted out of a reply. Every length is held against what is there; sequences
 * are passed over without recursion.
 *
 * @returns text by tag, decoded by the reply's own character set, padding removed; US as decimals
 * @throws MDM_SOURCE_PROTOCOL
 */
export function decodeIdentifier(
  bytes: Buffer,
  transferSyntax: string,
  wanted: ReadonlySet<string>,
): Map<string, string> {
  const explicit = transferSyntax !== IMPLICIT_LITTLE_ENDIAN
  const raw = new Map<string, { vr: string; value: Buffer }>()
  let elements = 0
  for (let at = 0; at < bytes.length;) {
    if (++elements > MAX_ELEMENTS) throw dimseError('protocol', 'an identifier has too many elements')
    const element = readElementHeader(bytes, at, explicit)
    if (element.length === UNDEFINED) {
      at = skipUndefined(bytes, element.start, explicit && element.vr !== 'UN')
      continue
    }
    at = element.start + element.length
    if (at > bytes.length) throw dimseError('protocol', 'an element of an identifier is cut short')
    if (wanted.has(element.tag) || element.tag === CHARACTER_SET)
      raw.set(element.tag, { vr: element.vr, value: bytes.subarray(element.start, at) })
  }
  const characterSet = trimmed(raw.get(CHARACTER_SET)?.value.toString('latin1', 0, 256) ?? '')
  const found = new Map<string, string>()
  for (const [tag, { vr, value }] of raw) {
    if (vr === 'US') found.set(tag, unsignedText(value))
    else if (TEXT.test(vr))
      found.set(tag, trimmed(decodeText(value.subarray(0, MAX_VALUE_BYTES), characterSet)))
  }
  return found
}

/** In implicit VR what was asked for and is not listed above is taken for text. */
function readElementHeader(bytes: Buffer, at: number, explicit: boolean) {
  if (at + 8 > bytes.length) throw dimseError('protocol', 'an element of an identifier is cut short')
  const tag = hex(bytes.readUInt16LE(at)) + hex(bytes.readUInt16LE(at + 2))
  if (!explicit || tag.startsWith('fffe'))
    return { tag, vr: VR_OF.get(tag) ?? 'LO', length: bytes.readUInt32LE(at + 4), start: at + 8 }
  const vr = bytes.toString('latin1', at + 4, at + 6)
  if (!LONG.test(vr)) return { tag, vr, length: bytes.readUInt16LE(at + 6), start: at + 8 }
  if (at + 12 > bytes.length) throw dimseError('protocol', 'an element of an identifier is cut short')
  return { tag, vr, length: bytes.readUInt32LE(at + 8), start: at + 12 }
}

/** The offset after a sequence of undefined length that begins at `start`. */
function skipUndefined(bytes: Buffer, start: number, explicit: boolean): number {
  let depth = 1
  let at = start
  while (depth > 0) {
    const { tag, length, start: value } = readElementHeader(bytes, at, explicit)
    if (tag === ITEM_END || tag === SEQUENCE_END) depth--
    else if (length === UNDEFINED) depth++
    at = length === UNDEFINED || tag === ITEM_END || tag === SEQUENCE_END ? value : value + length
    if (depth > MAX_DEPTH) throw dimseError('protocol', 'a sequence of an identifier is too deep')
  }
  return at
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0')
}

function unsignedText(value: Buffer): string {
  const numbers: number[] = []
  for (let at = 0; at + 2 <= Math.min(value.length, MAX_VALUE_BYTES); at += 2)
    numbers.push(value.readUInt16LE(at))
  return numbers.join('\\')
}

function trimmed(text: string): string {
  return text.replace(/^ +|[\0 ]+$/g, '')
}
