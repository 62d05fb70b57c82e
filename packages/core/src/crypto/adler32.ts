const MODULUS = 65_521
/** So many additions fit in 32 bits before the remainder must be taken (RFC 1950 section 9). */
const RUN = 5_552

/** Adler-32 (RFC 1950 section 8.2), the checksum of grid storage: it finds accidents, and stops nobody. */
export class Adler32 {
  #a = 1
  #b = 0

  update(bytes: Uint8Array): this {
    for (let from = 0; from < bytes.length; from += RUN) {
      const end = Math.min(from + RUN, bytes.length)
      let [a, b] = [this.#a, this.#b]
      for (let i = from; i < end; i++) b += a += bytes[i]!
      this.#a = a % MODULUS
      this.#b = b % MODULUS
    }
    return this
  }

  /** 8 hex digits */
  digest(): string {
    return (this.#b * 65_536 + this.#a).toString(16).padStart(8, '0')
  }
}
