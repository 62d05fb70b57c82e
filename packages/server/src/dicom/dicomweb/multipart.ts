import type { Fault } from './faults.ts'

/** One part of a multipart reply. */
export interface Part {
  /** names in lower case */
  headers: ReadonlyMap<string, string>
  /** read once; what is left of it is passed over when the next part is asked for */
  body: AsyncIterable<Buffer>
}

export interface MultipartOptions {
  fault: Fault
  maxParts: number
  /** of one part; 5 GiB unless told, since DICOM's lengths end at 4 GiB */
  maxPartBytes?: number
}

const MAX_HEADER_BYTES = 8 * 1024
/** What may stand before the first boundary, or after the last. */
const MAX_MARGIN_BYTES = 64 * 1024
const EMPTY = Buffer.alloc(0)

/**
 * The parts of a multipart body, as it comes in and without keeping it: no more is held than one chunk and the length of
 * a boundary. A part that says how long it is, is not searched for its end.
 *
 * @throws MDM_SOURCE_UNREACHABLE when the body ends before its last boundary, or is malformed
 * @see RFC 2046 section 5.1, DICOM PS3.18 section 8.6.1.2
 */
export async function* readParts(
  body: AsyncIterable<Buffer>,
  boundary: string,
  o: MultipartOptions,
): AsyncGenerator<Part> {
  const reader = new Reader(body, boundary, o)
  try {
    // Nothing stands before the first boundary, mostly; its line needs no line before it.
    await reader.skip()
    for (let count = 0; await reader.isPart(); count++) {
      if (count >= o.maxParts) throw o.fault('sends more objects than it said')
      const headers = await reader.head()
      const declared = headers.get('content-length')
      if (declared !== undefined && !/^\d{1,15}$/.test(declared))
        throw o.fault('sends a part without a proper length')
      const left = declared === undefined ? undefined : Number(declared)
      reader.begin(left, o.maxPartBytes ?? 5 * 2 ** 30)
      yield { headers, body: reader.rest() }
      await reader.skip()
    }
    await reader.epilogue()
  } finally {
    await reader.close()
  }
}

/** Where the reader is in the body: always behind a boundary, or inside what a boundary ends. */
class Reader {
  readonly #chunks: AsyncIterator<Buffer>
  readonly #delimiter: Buffer
  readonly #fault: Fault
  /** bytes that came and were not given out */
  #rest: Buffer = Buffer.from('\r\n')
  #inPart = true
  /** bytes to the end of the part; undefined where only the boundary tells */
  #left: number | undefined
  #room = MAX_MARGIN_BYTES
  /** of the part, so that nobody reads the next one instead */
  #number = 0

  constructor(body: AsyncIterable<Buffer>, boundary: string, { fault }: MultipartOptions) {
    this.#chunks = body[Symbol.asyncIterator]()
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
    this.#fault = fault
  }

  /** Behind the head of a part: @param left bytes of the part, undefined where only the boundary tells */
  begin(left: number | undefined, room: number): void {
    if (left !== undefined && left > room) throw this.#fault('sends a part that is too long')
    this.#number++
    this.#inPart = true
    this.#left = left
    this.#room = room
  }

  /** What is left of the part; the boundary behind it is read too. */
  async *rest(number = this.#number): AsyncGenerator<Buffer> {
    while (this.#inPart || number !== this.#number) {
      if (number !== this.#number) throw new Error('a part is read before the next one, or not at all')
      const bytes = this.#left === undefined ? await this.#searched() : await this.#counted(this.#left)
      this.#room -= bytes.length
      if (this.#room < 0) throw this.#fault('sends a part that is too long')
      if (bytes.length > 0) yield bytes
    }
  }

  /** Passes over the rest of a part. */
  async skip(): Promise<void> {
    for await (const _ of this.rest());
  }

  /** Behind a boundary: false when it was the last one. */
  async isPart(): Promise<boolean> {
    await this.#atLeast(2)
    return this.#rest.toString('latin1', 0, 2) !== '--'
  }

  /** The rest of the boundary's line, and the headers. */
  async head(): Promise<ReadonlyMap<string, string>> {
    let end: number
    while ((end = this.#rest.indexOf('\r\n\r\n')) === -1 && this.#rest.length <= MAX_HEADER_BYTES)
      await this.#more()
    if (end === -1 || end > MAX_HEADER_BYTES) throw this.#fault('sends a part with a head that does not end')
    const [padding, ...lines] = this.#rest.toString('latin1', 0, end).split('\r\n')
    this.#rest = this.#rest.subarray(end + 4)
    if (!/^[ \t]*$/.test(padding!)) throw this.#fault('sends a reply whose boundary is not one')
    const headers = new Map<string, string>()
    for (const line of lines) {
      const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*)$/.exec(line) ?? []
      if (name === undefined || headers.has(name.toLowerCase()))
        throw this.#fault('sends a part with a malformed head')
      headers.set(name.toLowerCase(), value!.trimEnd())
    }
    return headers
  }

  /** Reads on to the end of the body, so that its connection can be used again. */
  async epilogue(): Promise<void> {
    for (let bytes = 0; bytes <= MAX_MARGIN_BYTES;) {
      const { value, done } = await this.#chunks.next()
      if (done === true) return
      bytes += value.length
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  /** The next bytes of a part whose length is known. */
  async #counted(left: number): Promise<Buffer> {
    if (left === 0) {
      await this.#atLeast(this.#delimiter.length)
      if (!this.#rest.subarray(0, this.#delimiter.length).equals(this.#delimiter))
        throw this.#fault('sends a part that is not as long as it says')
      this.#pass(this.#delimiter.length)
      this.#inPart = false
      return EMPTY
    }
    await this.#atLeast(1)
    const bytes = this.#rest.subarray(0, left)
    this.#left = left - bytes.length
    return this.#pass(bytes.length)
  }

  /** The next bytes of a part that ends where a boundary is. */
  async #searched(): Promise<Buffer> {
    const at = this.#rest.indexOf(this.#delimiter)
    if (at === -1) {
      const bytes = this.#pass(this.#rest.length - beginsAtEnd(this.#rest, this.#delimiter))
      if (bytes.length === 0) await this.#more()
      return bytes
    }
    const bytes = this.#pass(at)
    this.#pass(this.#delimiter.length)
    this.#inPart = false
    return bytes
  }

  #pass(length: number): Buffer {
    const bytes = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    return bytes
  }

  async #atLeast(length: number): Promise<void> {
    while (this.#rest.length < length) await this.#more()
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#chunks.next()
    if (done === true) throw this.#fault('ends its reply before the last object')
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value])
  }
}

/** How many bytes at the end could be the beginning of the delimiter, which the next chunk would show. */
function beginsAtEnd(bytes: Buffer, delimiter: Buffer): number {
  let at = Math.max(0, bytes.length - delimiter.length + 1)
  for (;;) {
    at = bytes.indexOf(delimiter[0]!, at)
    if (at === -1) return 0
    if (bytes.subarray(at).equals(delimiter.subarray(0, bytes.length - at))) return bytes.length - at
    at++
  }
}
