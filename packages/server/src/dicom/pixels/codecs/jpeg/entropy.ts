import { Misfit } from '../misfit.ts'
import type { JpegFrame } from './segments.ts'

/** Every code of 16 bits or fewer, filled up to 16: its length * 256 + what it means; 0 where there is none. */
export type CodeTable = Uint16Array

/** @throws Misfit when the frame has no such table, or one with more codes than fit */
export function codeTable({ huffman }: JpegFrame, number: number): CodeTable {
  const found = huffman.get(number)
  if (found === undefined) throw new Misfit('malformed')
  const table = new Uint16Array(1 << 16)
  let at = 0
  let next = 0
  for (const [i, count] of found.counts.entries()) {
    const span = 1 << (15 - i)
    for (let k = 0; k < count; k++, at += span) {
      if (at + span > table.length) throw new Misfit('malformed')
      table.fill(((i + 1) << 8) | found.symbols[next++]!, at, at + span)
    }
  }
  return table
}

/**
 * The entropy-coded data of one scan: bits, restart after restart. Nothing is made up where it ends too soon.
 *
 * @see ITU-T T.81 annex F
 */
export class Bits {
  readonly #stream: Uint8Array
  #at: number
  /** bits taken from the stream and not used yet, the next one highest */
  #held = 0
  #count = 0
  /** of them, bits that the stream does not have */
  #missing = 0

  constructor(stream: Uint8Array, at: number) {
    this.#stream = stream
    this.#at = at
  }

  /** At least 25 bits are held then; behind the end they are zeros, which must not be used. */
  #fill(): void {
    const stream = this.#stream
    while (this.#count <= 24) {
      const byte = this.#at < stream.length ? stream[this.#at]! : 0xff
      if (byte !== 0xff) {
        this.#held |= byte << (24 - this.#count)
        this.#at++
      } else if (stream[this.#at + 1] === 0) {
        this.#held |= 0xff << (24 - this.#count)
        this.#at += 2
      } else this.#missing += 8
      this.#count += 8
    }
  }

  /** What the next code means. */
  symbol(table: CodeTable): number {
    if (this.#count < 16) this.#fill()
    const found = table[this.#held >>> 16]!
    const length = found >> 8
    if (length === 0) throw new Misfit('malformed')
    this.#held <<= length
    this.#count -= length
    return found & 255
  }

  /** A number of so many bits, 0 to 16, of which the first half is negative (T.81 figure F.12). */
  signed(bits: number): number {
    if (bits === 0) return 0
    if (this.#count < bits) this.#fill()
    const value = this.#held >>> (32 - bits)
    this.#held <<= bits
    this.#count -= bits
    return value < 1 << (bits - 1) ? value - (1 << bits) + 1 : value
  }

  /** @throws Misfit when bits were used that the stream does not have */
  check(): void {
    if (this.#count < this.#missing) throw new Misfit('malformed')
  }

  /** Goes behind the marker that ends these bits: RST `n` of 8, or the end of the image. */
  marker(expected: number): void {
    this.check()
    // Whole bytes that were taken too early would be data before the marker.
    if (this.#count - this.#missing >= 8) throw new Misfit('malformed')
    while (this.#stream[this.#at] === 0xff && this.#stream[this.#at + 1] === 0xff) this.#at++
    if (this.#stream[this.#at] !== 0xff || this.#stream[this.#at + 1] !== expected)
      throw new Misfit('malformed')
    this.#at += 2
    this.#held = 0
    this.#count = 0
    this.#missing = 0
  }
}

export const RESTART = 0xd0
export const END_OF_IMAGE = 0xd9
