import { MdmError } from '../errors.ts'

/** Longest DER value that is read, in bytes: certificates of real CAs stay far below. */
export const MAX_DER = 65_536
const MAX_CHILDREN = 256
const MAX_ARC = (1n << 128n) - 1n

/** Tag octets we meet (X.690 section 8.1.2); high tag numbers are refused. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  numeric: 0x12,
  printable: 0x13,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmp: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** One DER value: its tag octet, its content and all its bytes. */
export interface DerValue {
  readonly tag: number
  readonly content: Buffer
  readonly raw: Buffer
}

/**
 * Reads exactly one DER value (X.690): definite, shortest lengths, nothing after it.
 *
 * Nothing here calls itself, so nesting costs only what the caller opens by derChildren.
 *
 * @throws MDM_UNAUTHENTICATED when malformed or longer than `maxBytes`
 */
export function readDer(bytes: Buffer, tag?: number, maxBytes = MAX_DER): DerValue {
  if (bytes.length > maxBytes) throw malformed('too long')
  const { value, end } = readAt(bytes, 0)
  if (end !== bytes.length) throw malformed('bytes after the end')
  return tag === undefined ? value : expectTag(value, tag)
}

/** The values inside a constructed value, at most 256. @throws MDM_UNAUTHENTICATED */
export function derChildren(value: DerValue, tag?: number): DerValue[] {
  if (tag !== undefined) expectTag(value, tag)
  const children: DerValue[] = []
  for (const child of derItems(value))
    if (children.push(child) > MAX_CHILDREN) throw malformed('too many values')
  return children
}

/** The values inside a constructed value one after the other, however many. @throws MDM_UNAUTHENTICATED */
export function* derItems(value: DerValue): Generator<DerValue> {
  if ((value.tag & 0x20) === 0) throw malformed('not a constructed value')
  for (let at = 0; at < value.content.length;) {
    const { value: child, end } = readAt(value.content, at)
    yield child
    at = end
  }
}

/** Fails unless the value is there and has the tag. @throws MDM_UNAUTHENTICATED */
export function expectTag(value: DerValue | undefined, tag: number): DerValue {
  if (value?.tag !== tag) throw malformed('another value than expected')
  return value
}

/**
 * An OBJECT IDENTIFIER as dotted numbers (X.690 section 8.19); an arc may be as large as a UUID (ITU-T X.667).
 *
 * @throws MDM_UNAUTHENTICATED
 */
export function derOid(value: DerValue | undefined): string {
  const { content } = expectTag(value, TAG.oid)
  if (content.length === 0 || content.length > 64) throw malformed('an object identifier')
  const arcs: bigint[] = []
  let arc = 0n
  let begun = false
  for (const octet of content) {
    if (!begun && octet === 0x80) throw malformed('an object identifier')
    arc = (arc << 7n) | BigInt(octet & 0x7f)
    if (arc > MAX_ARC) throw malformed('an object identifier')
    begun = (octet & 0x80) !== 0
    if (begun) continue
    if (arcs.length > 0) arcs.push(arc)
    else if (arc < 80n) arcs.push(arc / 40n, arc % 40n)
    else arcs.push(2n, arc - 80n)
    arc = 0n
  }
  if (begun) throw malformed('an object identifier')
  return arcs.join('.')
}

/** A BOOLEAN, which DER writes as 00 or FF. @throws MDM_UNAUTHENTICATED */
export function derBoolean(value: DerValue | undefined): boolean {
  const { content } = expectTag(value, TAG.boolean)
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw malformed('a boolean')
  return content[0] === 0xff
}

/** A positive or negative INTEGER in its shortest form, as hex of its two's complement. @throws MDM_UNAUTHENTICATED */
export function derInteger(value: DerValue | undefined): string {
  const { content } = expectTag(value, TAG.integer)
  const [first = 0, second = 0] = content
  const padded = content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
  if (content.length === 0 || padded) throw malformed('a number')
  return content.toString('hex')
}

/** UTCTime or GeneralizedTime in the one form RFC 5280 section 4.1.2.5 allows. @throws MDM_UNAUTHENTICATED */
export function derTime(value: DerValue | undefined): Date {
  const text = value?.content.toString('latin1') ?? ''
  let digits = /^[0-9]{14}Z$/.test(text) && value?.tag === TAG.generalizedTime ? text.slice(0, 14) : ''
  if (value?.tag === TAG.utcTime && /^[0-9]{12}Z$/.test(text))
    digits = (text < '5' ? '20' : '19') + text.slice(0, 12)
  const iso = digits.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6.000Z')
  const time = new Date(iso)
  // The round trip refuses 30 February, which Date would move on to March.
  if (Number.isNaN(time.getTime()) || time.toISOString() !== iso) throw malformed('a time')
  return time
}

export function malformed(what: string, cause?: unknown): MdmError {
  return new MdmError('MDM_UNAUTHENTICATED', `the certificate is malformed: ${what}`, { cause })
}

function readAt(bytes: Buffer, at: number): { value: DerValue; end: number } {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw malformed('a tag')
  let start = at + 2
  let length = first
  if (first >= 0x80) {
    const octets = first & 0x7f
    start += octets
    if (octets === 0 || octets > 3 || start > bytes.length) throw malformed('a length')
    length = bytes.readUIntBE(at + 2, octets)
    if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw malformed('a length')
  }
  const end = start + length
  if (end > bytes.length) throw malformed('a value cut short')
  return { value: { tag, content: bytes.subarray(start, end), raw: bytes.subarray(at, end) }, end }
}
