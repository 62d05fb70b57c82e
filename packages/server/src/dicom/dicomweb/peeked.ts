/** A stream of bytes whose beginning can be looked at before it is read. */
export class Peeked {
  /** what was looked at so far */
  start: Buffer = Buffer.alloc(0)
  readonly #chunks: AsyncIterator<Buffer>

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#chunks = bytes[Symbol.asyncIterator]()
  }

  /** Looks at so many bytes at least. @returns true when there are no more after `start` */
  async fill(bytes: number): Promise<boolean> {
    const chunks = [this.start]
    let length = this.start.length
    let whole = false
    while (length < bytes && !whole) {
      const { value, done } = await this.#chunks.next()
      whole = done === true
      if (done === true) break
      chunks.push(value)
      length += value.length
    }
    const some = chunks.filter((chunk) => chunk.length > 0)
    this.start = some.length === 1 ? some[0]! : Buffer.concat(some)
    return whole
  }

  /** The stream from an offset in `start` on. */
  async *from(offset: number): AsyncGenerator<Buffer> {
    if (offset < this.start.length) yield this.start.subarray(offset)
    this.start = Buffer.alloc(0)
    for (;;) {
      const { value, done } = await this.#chunks.next()
      if (done === true) return
      yield value
    }
  }
}
