const NOTHING = new Uint8Array(0)

/** Cuts a stream of chunks into pieces of exact length; holds one chunk and one piece, whatever the stream's length. */
export class Intake {
  readonly #source: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = NOTHING
  #piece = NOTHING

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The next bytes as they come, never empty; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#source.next()
      if (done === true) return undefined
      this.#chunk = value
    }
    const chunk = this.#chunk
    this.#chunk = NOTHING
    return chunk
  }

  /** Puts bytes back in front of the stream. */
  unread(bytes: Uint8Array): void {
    this.#chunk = this.#chunk.length === 0 ? bytes : Buffer.concat([bytes, this.#chunk])
  }

  /** Exactly `length` bytes, fewer only at the end of the stream; valid until the next call. */
  async take(length: number): Promise<Uint8Array> {
    if (this.#chunk.length < length) return await this.#gather(length)
    const piece = this.#chunk.subarray(0, length)
    this.#chunk = this.#chunk.subarray(length)
    return piece
  }

  /** Lets the source go; safe to call twice. */
  async close(): Promise<void> {
    this.#piece.fill(0)
    await this.#source.return?.()
  }

  async #gather(length: number): Promise<Uint8Array> {
    if (this.#piece.length < length) this.#piece = new Uint8Array(length)
    let filled = 0
    while (filled < length) {
      const chunk = await this.next()
      if (chunk === undefined) break
      const part = chunk.subarray(0, length - filled)
      this.#piece.set(part, filled)
      filled += part.length
      this.#chunk = chunk.subarray(part.length)
    }
    return this.#piece.subarray(0, filled)
  }
}
