import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { dimseError } from './faults.ts'
import type { DimseFault } from './types.ts'

/** What may wait unread before the socket is paused; one PDU more than a slow reader needs. */
const HIGH_WATER = 128 << 10
/** Reads answered from memory before other work of the process gets its turn. */
const READS_PER_TURN = 256
/** How long a closing socket may take to send its last PDU and see the peer's end (ARTIM, PS3.8 9.1.5). */
const LINGER_MS = 500
const NOTHING = Buffer.alloc(0)

/**
 * The transport connection of an association (PS3.8 section 9): bytes in order for one reader, with back-pressure both
 * ways. It takes a connected socket and owns it. Whatever ends it, the socket goes within half a second.
 */
export class Transport {
  /** resolves when the socket is gone */
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #inactivityMs: number
  readonly #farewell: Uint8Array | undefined
  #chunks: Buffer[] = []
  #head = 0
  #bytes = 0
  #served = 0
  /** why nothing more can be done; what is in memory is void too */
  #stopped: Error | undefined
  /** how the peer went; what is in memory may still be read */
  #lost: Error | undefined
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void) | undefined

  /** @param o `farewell` is sent when patience ends; `acknowledge` is called after each read from the network */
  constructor(
    socket: Socket,
    o: { inactivityMs: number; farewell?: Uint8Array; acknowledge?: (() => void) | undefined },
  ) {
    this.#socket = socket
    this.#inactivityMs = o.inactivityMs
    this.#farewell = o.farewell
    this.closed = new Promise((resolve) => {
      if (socket.closed) resolve()
      else socket.once('close', () => resolve())
    })
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      o.acknowledge?.()
      if (this.#stopped !== undefined) return
      this.#chunks.push(chunk)
      this.#bytes += chunk.length
      if (this.#bytes >= HIGH_WATER && this.#wakeReader === undefined) socket.pause()
      this.#wakeReader?.()
    })
    socket.on('drain', () => this.#wakeWriter?.())
    socket.on('end', () => this.#lose('closed', 'the peer closed the connection'))
    socket.on('error', (cause) => this.#lose('reset', 'the connection broke', cause))
    socket.on('close', () => this.#lose('closed', 'the connection is closed'))
    if (socket.destroyed) this.#lose('closed', 'the connection is closed')
  }

  get isOpen(): boolean {
    return this.#stopped === undefined && this.#lost === undefined
  }

  /** Exactly `count` bytes; the caller has bounded it. */
  async read(count: number): Promise<Buffer> {
    await this.#arrived(count)
    const first = this.#chunks[this.#head]!
    if (first.length >= count) return this.#takeFrom(first, count)
    const parts: Buffer[] = []
    for (let missing = count; missing > 0; missing -= parts.at(-1)!.length) {
      parts.push(this.#takeFrom(this.#chunks[this.#head]!, missing))
    }
    return Buffer.concat(parts, count)
  }

  /** The next bytes as they came, 1 to `most`, not copied. */
  async readSome(most: number): Promise<Buffer> {
    await this.#arrived(1)
    return this.#takeFrom(this.#chunks[this.#head]!, most)
  }

  /** Sends the parts as one write, and returns when the peer keeps up. */
  async write(parts: readonly Uint8Array[]): Promise<void> {
    const gone = this.#stopped ?? this.#lost
    if (gone !== undefined) throw gone
    this.#socket.cork()
    for (const part of parts) this.#socket.write(part)
    this.#socket.uncork()
    while (this.#socket.writableNeedDrain) {
      if (!this.isOpen) throw this.#stopped ?? this.#lost
      await this.#patience((wake) => (this.#wakeWriter = wake))
    }
  }

  /** Runs `work`; when it takes longer the connection ends with `fault`. */
  async within<T>(ms: number, fault: DimseFault, message: string, work: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.fail(dimseError(fault, message), this.#farewell), ms)
    try {
      return await work()
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends the connection: every wait throws `error` at once, `farewell` is sent if the peer still reads. */
  fail(error: Error, farewell?: Uint8Array): void {
    if (this.#stopped !== undefined) return
    this.#stopped = error
    this.#chunks = []
    this.#head = this.#bytes = 0
    this.#wakeReader?.()
    this.#wakeWriter?.()
    if (farewell === undefined || !this.#socket.writable) {
      this.#socket.destroy()
      return
    }
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS)
    this.#socket.once('close', () => clearTimeout(timer))
    this.#socket.end(farewell)
    this.#socket.resume()
  }

  #lose(fault: DimseFault, message: string, cause?: unknown): void {
    this.#lost ??= dimseError(fault, message, { cause })
    this.#wakeReader?.()
    this.#wakeWriter?.()
  }

  async #arrived(count: number): Promise<void> {
    if (this.#wakeReader !== undefined) throw new Error('a second reader of one association')
    if (++this.#served >= READS_PER_TURN) {
      this.#served = 0
      await nextTurn()
    }
    while (this.#stopped === undefined && this.#bytes < count) {
      if (this.#lost !== undefined) throw this.#lost
      this.#served = 0
      const wait = this.#patience((wake) => (this.#wakeReader = wake))
      this.#socket.resume()
      await wait
    }
    if (this.#stopped !== undefined) throw this.#stopped
  }

  /** Waits for the peer, no longer than it may be silent. */
  async #patience(register: (wake: (() => void) | undefined) => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const silence = () =>
      this.fail(dimseError('inactive', `the peer was silent for ${this.#inactivityMs} ms`), this.#farewell)
    const timer = setTimeout(silence, this.#inactivityMs)
    register(resolve)
    await promise
    register(undefined)
    clearTimeout(timer)
  }

  #takeFrom(first: Buffer, most: number): Buffer {
    const taken = first.length <= most ? first : first.subarray(0, most)
    this.#chunks[this.#head] = taken === first ? NOTHING : first.subarray(most)
    if (taken === first) this.#head++
    // an array that is shifted one by one costs its length each time
    if (this.#head * 2 >= this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#head)
      this.#head = 0
    }
    this.#bytes -= taken.length
    if (this.#bytes < HIGH_WATER / 2 && this.#stopped === undefined && this.#socket.isPaused())
      this.#socket.resume()
    return taken
  }
}
