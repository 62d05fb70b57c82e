import { randomBytes } from 'node:crypto'

/** A new serial number: 127 bits, positive and in the shortest form of an INTEGER (RFC 5280 section 4.1.2.2), in hex. */
export function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes.toString('hex')
}
