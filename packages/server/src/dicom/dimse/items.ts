import { dimseError } from './faults.ts'

/** Types of the items that an A-ASSOCIATE is made of (PS3.8 9.3.2, 9.3.3; PS3.7 annex D.3.3). */
export const ITEM = {
  application: 0x10,
  proposedContext: 0x20,
  acceptedContext: 0x21,
  abstractSyntax: 0x30,
  transferSyntax: 0x40,
  userInformation: 0x50,
  maximumLength: 0x51,
  implementationClass: 0x52,
  role: 0x54,
  implementationVersion: 0x55,
  identityRq: 0x58,
  identityAc: 0x59,
} as const

/** An A-ASSOCIATE with 128 contexts and as many roles has 300; each item costs an object. */
const MAX_ITEMS = 1_000

/** Type, a reserved byte, length in 2 bytes, value. */
export function item(type: number, parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts)
  const header = Buffer.alloc(4)
  header[0] = type
  header.writeUInt16BE(value.length, 2)
  return Buffer.concat([header, value])
}

export function textItem(type: number, value: string): Buffer {
  return item(type, [Buffer.from(value, 'latin1')])
}

/** Cuts bytes into items; every length is held against what is there. @throws MDM_SOURCE_PROTOCOL */
export function items(bytes: Buffer): { type: number; value: Buffer }[] {
  const found: { type: number; value: Buffer }[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 <= bytes.length ? at + 4 + bytes.readUInt16BE(at + 2) : Infinity
    if (end > bytes.length) throw dimseError('protocol', 'an item of the association is cut short')
    if (found.length >= MAX_ITEMS) throw dimseError('protocol', 'an association of too many items')
    found.push({ type: bytes[at]!, value: bytes.subarray(at + 4, end) })
    at = end
  }
  return found
}

/** A field within an item, after its length in 2 bytes. */
export function counted(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8')
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** @throws MDM_SOURCE_PROTOCOL */
export function readCounted(bytes: Buffer, at: number): Buffer {
  if (at + 2 > bytes.length || at + 2 + bytes.readUInt16BE(at) > bytes.length)
    throw dimseError('protocol', 'an item of the association is cut short')
  return bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at))
}

/** Some pad UIDs with NUL or a blank. What is too long to be one becomes '', which nobody supports. */
export function readUid(value: Buffer | undefined): string {
  if (value === undefined || value.length > 66) return ''
  return value.toString('latin1').replace(/[\0 ]+$/, '')
}
