import type { StoredBytes } from './stored-bytes.ts'

/** Chunks as one piece, put together only when asked for. */
export class Gathered implements StoredBytes {
  #chunks: { at: number; bytes: Buffer }[] = []
  /** bytes kept, and those passed */
  length = 0
  /** bytes seen */
  total = 0

  add(bytes: Buffer): void {
    this.#chunks.push({ at: this.length, bytes })
    this.length += bytes.length
    this.total += bytes.length
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
    return most >= this.length
      ? this.bytes()
      : Buffer.concat(
          this.#chunks.map(({ bytes }) => bytes),
          most,
        )
  }

  /** The bytes from `start` to `end`, in memory of their own: who takes them can give it back at once. */
  read(start: number, end: number): Buffer {
    const out = Buffer.allocUnsafeSlow(end - start)
    for (let i = this.#chunkAt(start); i < this.#chunks.length; i++) {
      const { at, bytes } = this.#chunks[i]!
      if (at >= end) break
      bytes.copy(out, Math.max(0, at - start), Math.max(0, start - at), end - at)
    }
    return out
  }

  /** Gives up the chunks before `at`, so that frames are not in memory twice. */
  passed(at: number): void {
    this.#chunks.splice(0, at >= this.length ? this.#chunks.length : this.#chunkAt(at))
  }

  bytes(): Buffer {
    if (this.#chunks.length !== 1)
      this.#chunks = [{ at: 0, bytes: Buffer.concat(this.#chunks.map(({ bytes }) => bytes)) }]
    return this.#chunks[0]!.bytes
  }

  /** Index of the chunk that holds a byte; objects have many small chunks, and many small parts are read. */
  #chunkAt(byte: number): number {
    let [low, high] = [0, this.#chunks.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#chunks[middle]!.at <= byte) low = middle
      else high = middle - 1
    }
    return low
  }
}
