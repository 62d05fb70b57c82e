/** A big-endian unsigned number. */
export function uint(bytes: 1 | 2 | 4, value: number): Buffer {
  const out = Buffer.alloc(bytes)
  out.writeUIntBE(value, 0, bytes)
  return out
}

/** u16 length and the bytes. */
export function sized(bytes: Buffer): [Buffer, Buffer] {
  return [uint(2, bytes.length), bytes]
}

/** The bytes end before the field does. */
export class Short extends Error {}

/** Reads big-endian fields in a row; throws Short at the end of the bytes. */
export class Cursor {
  readonly #bytes: Buffer
  at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.at = at
  }

  uint(bytes: 1 | 2 | 4): number {
    return this.take(bytes).readUIntBE(0, bytes)
  }

  take(length: number): Buffer {
    if (this.at + length > this.#bytes.length) throw new Short()
    return this.#bytes.subarray(this.at, (this.at += length))
  }

  since(start: number): Buffer {
    return this.#bytes.subarray(start, this.at)
  }
}
