import { request as requestHttp, Agent as HttpAgent, type IncomingMessage } from 'node:http'
import { request as requestHttps, Agent as HttpsAgent } from 'node:https'
import type { Slot } from '../sources/budget.ts'
import type { ServerOptions } from '../sources/server-options.ts'
import type { Purpose } from '../source.ts'
import { networkFault, statusFault, type Fault } from './faults.ts'
import { readBody } from './body.ts'

export interface WebReply {
  contentType: string
  /** read once; leaving it in the middle ends the connection */
  body: AsyncGenerator<Buffer>
  /** Ends the transfer of a body that nobody began to read. */
  discard(): void
}

export interface Ask {
  accept: string
  purpose: Purpose
  signal?: AbortSignal | undefined
  /** room that was taken for this request already */
  slot?: Slot
}

const STALE = Symbol('the connection was closed before the request')

/** Statuses that say there is nothing, and nothing else is wrong. */
const NOTHING = new Set([204, 404, 410])

/**
 * HTTP to one DICOMweb server, within the budget of its source. Node's own client: as fast as undici here (107 MB in 0.1 s),
 * it follows no redirect and decodes nothing unasked, and it tells apart that a connection, an answer and a byte are late.
 */
export class WebClient {
  readonly #root: URL
  readonly #options: ServerOptions
  readonly #fault: Fault
  readonly #agent: HttpAgent | HttpsAgent

  constructor(root: URL, options: ServerOptions, fault: Fault) {
    this.#root = root
    this.#options = options
    this.#fault = fault
    const pool = { keepAlive: true, maxFreeSockets: options.budget.size }
    this.#agent =
      root.protocol === 'http:'
        ? new HttpAgent(pool)
        : // a certificate that is named itself need not come with its CA
          new HttpsAgent({ ...pool, ...options.tls, minVersion: 'TLSv1.2', allowPartialTrustChain: true })
  }

  /**
   * Gets a resource below the root.
   *
   * @param path as it goes on the wire, such as `/series?limit=1`
   * @returns the status where it says that there is nothing (204, 404, 410)
   * @throws MDM_SOURCE_UNREACHABLE, with the reason in words; the signal's reason
   */
  async get(path: string, ask: Ask): Promise<WebReply | number> {
    const slot = ask.slot ?? (await this.#options.budget.take(ask.purpose, ask.signal))
    try {
      return this.#reply(await this.#sendAgain(path, ask), ask, slot)
    } catch (error) {
      slot.free()
      ask.signal?.throwIfAborted()
      throw networkFault(this.#fault, error)
    }
  }

  /** Ends what is open; requests under way fail. */
  close(): void {
    this.#agent.destroy()
  }

  #reply(reply: IncomingMessage, ask: Ask, slot: Slot): WebReply | number {
    const { statusCode: status = 0, headers } = reply
    const discard = () => {
      reply.destroy()
      slot.free()
    }
    // Nobody may be reading when the connection goes: whoever reads is told by the reading itself.
    reply.on('error', () => undefined)
    const encoding = headers['content-encoding'] ?? 'identity'
    if (status === 200 && encoding === 'identity') {
      const o = { ...this.#options.timeouts, signal: ask.signal, fault: this.#fault, discard }
      return { contentType: headers['content-type'] ?? '', body: readBody(reply, o), discard }
    }
    // The body of a refusal may hold anything: it is not read, and the connection goes with it.
    discard()
    if (NOTHING.has(status)) return status
    throw status === 200
      ? this.#fault('compressed its reply, which nobody asked for')
      : statusFault(this.#fault, status)
  }

  /** A connection kept from before may have been closed at the other end just now: then once more, on the next one. */
  async #sendAgain(path: string, ask: Ask): Promise<IncomingMessage> {
    for (let stale = 0; stale < this.#options.budget.size; stale++) {
      const reply = await this.#send(path, ask)
      if (reply !== STALE) return reply
    }
    throw this.#fault('ends every connection')
  }

  /** Sends a request; resolves when the head of the answer is there. */
  #send(path: string, { accept, signal }: Ask): Promise<IncomingMessage | typeof STALE> {
    const { credentials, timeouts } = this.#options
    const secure = this.#root.protocol === 'https:'
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const { user, password } = credentials ?? {}
      const sent = (secure ? requestHttps : requestHttp)({
        agent: this.#agent,
        // brackets are of the URL, not of the address
        host: this.#root.hostname.replace(/^\[|\]$/g, ''),
        port: this.#root.port,
        path: `${this.#root.pathname === '/' ? '' : this.#root.pathname}${path}`,
        headers: { accept, 'accept-encoding': 'identity' },
        ...(credentials !== undefined && { auth: `${user}:${password}` }),
      })
      const abort = () => sent.destroy(signal!.reason as Error)
      const late = (what: string, ms: number) => setTimeout(() => sent.destroy(this.#fault(what)), ms)
      let timer = late('does not accept a connection in time', timeouts.connectMs)
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
      signal?.addEventListener('abort', abort, { once: true })
      sent.once('socket', (socket) => {
        const connected = () => {
          clearTimeout(timer)
          timer = late('does not answer in time', timeouts.inactivityMs)
        }
        if (sent.reusedSocket) connected()
        else socket.once(secure ? 'secureConnect' : 'connect', connected)
      })
      sent.once('response', (reply) => {
        settle()
        resolve(reply)
      })
      // It stays: an error after the answer began is told to whoever reads the body.
      sent.on('error', (error: NodeJS.ErrnoException) => {
        settle()
        if (sent.reusedSocket && error.code === 'ECONNRESET') resolve(STALE)
        else reject(error)
      })
      sent.end()
    })
  }
}
