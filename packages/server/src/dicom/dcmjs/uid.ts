import { createHash } from 'node:crypto'

/** A UID made of a text: the same text gives the same UID (2.25 + 128 bits, PS3.5 B.2). */
export function uidOf(text: string): string {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 32)
  return `2.25.${BigInt(`0x${digest}`).toString()}`
}
