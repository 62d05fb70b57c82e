import type { StoredBytes } from '../pixels/stored-bytes.ts'

/** Chunks as one piece, put together only when asked for. */
export class Gathered implements StoredBytes {
  #chunks: Buffer[] = []
  /** where the first chunk that is left begins */
  #from = 0
  /** bytes kept, and those passed */
  length = 0
  /** bytes seen */
  total = 0

  add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.length += chunk.length
    this.total += chunk.length
  }

  skip(bytes: number): void {
    this.total += bytes
  }

  forget(): void {
    this.#chunks = []
    this.length = 0
  }

  /** At most so many of the first bytes. */
  first(most: number): Buffer {
    return most >= this.length ? this.bytes() : Buffer.concat(this.#chunks, most)
  }

  /** The bytes from `start` to `end`, in memory of their own: who takes them can give it back at once. */
  read(start: number, end: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(end - start)
    let at = this.#from
    for (const chunk of this.#chunks) {
      if (at >= end) break
      if (at + chunk.length > start)
        chunk.copy(bytes, Math.max(0, at - start), Math.max(0, start - at), end - at)
      at += chunk.length
    }
    return bytes
  }

  /** Gives up the chunks before `at`, so that frames are not in memory twice. */
  passed(at: number): void {
    let count = 0
    for (const { length } of this.#chunks) {
      if (this.#from + length > at) break
      this.#from += length
      count++
    }
    this.#chunks.splice(0, count)
  }

  bytes(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }
}
