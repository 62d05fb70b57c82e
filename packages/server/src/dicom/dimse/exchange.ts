import { decodeCommandSet, encodeCommandSet, type CommandSet } from './command-set.ts'
import { dimseError } from './faults.ts'
import { PDV_HEADER_BYTES } from './pdu.ts'
import type { AcceptedContext } from './types.ts'
import { dataPdu, type UpperLayer } from './upper-layer.ts'

/** Ours are below 300 bytes; a C-STORE with longest values is below 500. */
const MAX_COMMAND_BYTES = 16 << 10
/** A match of C-FIND, or the list of failed objects of a retrieve. */
const MAX_IDENTIFIER_BYTES = 256 << 10
/** We send no longer fragments than this, whatever the peer would take: they are held in memory. */
const MAX_SENT_PDU = 64 << 10

/** A message in: its command, and its data set to be read before the next message (PS3.7 6.3). */
export interface Message {
  context: AcceptedContext
  command: CommandSet
  data: IncomingDataSet | undefined
}

/** DIMSE messages over an association (PS3.7 section 6.3): commands and data sets, cut into fragments and put together. */
export class MessageExchange {
  readonly layer: UpperLayer
  readonly contexts: readonly AcceptedContext[]
  readonly #fragmentBytes: number
  #lastId = 0
  #unread: IncomingDataSet | undefined

  /** @param peerMaxPdu longest P-DATA-TF of the peer, bytes; 0 means no limit */
  constructor(layer: UpperLayer, contexts: readonly AcceptedContext[], peerMaxPdu: number) {
    const pdu = Math.min(peerMaxPdu || MAX_SENT_PDU, MAX_SENT_PDU)
    // fragments have an even length (PS3.8 annex E.2)
    this.#fragmentBytes = (pdu - PDV_HEADER_BYTES) & ~1
    if (this.#fragmentBytes < 2)
      throw dimseError('protocol', 'the peer takes no PDU that could hold anything')
    this.layer = layer
    this.contexts = contexts
  }

  /** @throws MDM_SOURCE_REFUSED when the peer accepted no context for it */
  contextOf(abstractSyntax: string, transferSyntax?: string): AcceptedContext {
    const found = this.contexts.find(
      (context) =>
        context.abstractSyntax === abstractSyntax &&
        (transferSyntax === undefined || context.transferSyntax === transferSyntax),
    )
    if (found === undefined)
      throw dimseError('no-context', 'the peer accepted no presentation context for this operation')
    return found
  }

  nextMessageId(): number {
    this.#lastId = (this.#lastId % 0xffff) + 1
    return this.#lastId
  }

  /** Sends a command and what follows it; the command and the first fragment of the data leave in one write. */
  async send(
    contextId: number,
    command: CommandSet,
    data: Iterable<Uint8Array> | AsyncIterable<Uint8Array> = [],
  ): Promise<void> {
    let pdus = this.#commandPdus(contextId, encodeCommandSet(command))
    if (command.hasDataSet) {
      for await (const { parts, isLast } of cut(data, this.#fragmentBytes)) {
        pdus.push(...dataPdu(contextId, { isCommand: false, isLast }, parts))
        await this.layer.transport.write(pdus)
        pdus = []
      }
    } else await this.layer.transport.write(pdus)
  }

  /**
   * The next message; what was not read of the one before is thrown away.
   * @returns undefined when the peer asks to release
   */
  async receive(): Promise<Message | undefined> {
    await this.#unread?.drain()
    this.#unread = undefined
    const parts: Buffer[] = []
    let bytes = 0
    for (;;) {
      const fragment = await this.layer.nextFragment()
      if (fragment === undefined) {
        if (parts.length > 0) throw dimseError('protocol', 'a release in the middle of a message')
        return undefined
      }
      if (!fragment.isCommand) throw dimseError('protocol', 'a data set without its command')
      for (let piece; (piece = await this.layer.piece()) !== undefined; parts.push(piece)) {
        bytes += piece.length
        if (bytes > MAX_COMMAND_BYTES) throw dimseError('protocol', 'a command set is too long')
      }
      if (!fragment.isLast) continue
      const context = this.contexts.find(({ id }) => id === fragment.contextId)
      if (context === undefined) throw dimseError('protocol', 'a message on a context that was not accepted')
      const command = decodeCommandSet(Buffer.concat(parts))
      if (command.hasDataSet) this.#unread = new IncomingDataSet(this.layer, context.id)
      return { context, command, data: this.#unread }
    }
  }

  #commandPdus(contextId: number, command: Buffer): Uint8Array[] {
    const pdus: Uint8Array[] = []
    for (let at = 0; at < command.length; at += this.#fragmentBytes) {
      const part = command.subarray(at, at + this.#fragmentBytes)
      const kind = { isCommand: true, isLast: at + part.length === command.length }
      pdus.push(...dataPdu(contextId, kind, [part]))
    }
    return pdus
  }
}

/** The data set of a message as its bytes come; iterated once, and drained by whoever wants the next message. */
export class IncomingDataSet implements AsyncIterable<Buffer> {
  readonly #layer: UpperLayer
  readonly #contextId: number
  #isLast = false
  #ended = false
  #turn: Promise<unknown> = Promise.resolve()
  #fault: { error: unknown } | undefined

  constructor(layer: UpperLayer, contextId: number) {
    this.#layer = layer
    this.#contextId = contextId
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (let piece; (piece = await this.#next()) !== undefined;) yield piece
  }

  /** Throws away what is left. */
  async drain(): Promise<void> {
    while ((await this.#next()) !== undefined);
  }

  /** The whole of a short one. */
  async gather(): Promise<Buffer> {
    const parts: Buffer[] = []
    let bytes = 0
    for (let piece; (piece = await this.#next()) !== undefined; parts.push(piece)) {
      bytes += piece.length
      if (bytes > MAX_IDENTIFIER_BYTES) throw dimseError('protocol', 'an identifier is too long')
    }
    return Buffer.concat(parts)
  }

  /** In turn: a reader that was left waiting and the drain after it must not read at once. */
  #next(): Promise<Buffer | undefined> {
    const next = this.#turn.then(() => {
      // after a fault the place in the stream is lost; whoever reads on must not get something else
      if (this.#fault !== undefined) throw this.#fault.error
      return this.#read()
    })
    this.#turn = next.catch((error: unknown) => (this.#fault = { error }))
    return next
  }

  async #read(): Promise<Buffer | undefined> {
    while (!this.#ended) {
      const piece = await this.#layer.piece()
      if (piece !== undefined) return piece
      if (this.#isLast) {
        this.#ended = true
        break
      }
      const fragment = await this.#layer.nextFragment()
      if (fragment === undefined || fragment.isCommand || fragment.contextId !== this.#contextId)
        throw dimseError('protocol', 'a data set is not followed to its end')
      this.#isLast = fragment.isLast
    }
    return undefined
  }
}

/** Cuts bytes into fragments of one length, and tells which is the last. */
async function* cut(
  data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  fragmentBytes: number,
): AsyncGenerator<{ parts: Uint8Array[]; isLast: boolean }, void, undefined> {
  let parts: Uint8Array[] = []
  let room = fragmentBytes
  for await (const chunk of data) {
    for (let at = 0; at < chunk.length;) {
      // full, and there is more
      if (room === 0) {
        yield { parts, isLast: false }
        parts = []
        room = fragmentBytes
      }
      const part = chunk.subarray(at, at + room)
      parts.push(part)
      at += part.length
      room -= part.length
    }
  }
  yield { parts, isLast: true }
}
