import { createHash } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import type { z } from 'zod'
import { MdmError, isErrorCode } from '../errors.ts'
import type { Contract } from '../wire/contract.ts'
import { Problem } from '../wire/problem.ts'
import { bytesOf, isHangUp, networkError, readText } from './reply-bytes.ts'

const MAX_REPLY_BYTES = 32 * 1024 * 1024

/** Where a remote service is, and how it and we are known. */
export interface PeerOptions {
  readonly url: string
  /** SHA-256 (hex) of every SubjectPublicKeyInfo the service may show; from the roster. */
  readonly pins: readonly string[]
  /** Our certificate and key, PEM. */
  readonly credential: { readonly certificate: string; readonly key: string }
  /** What people call the service: "the site"; errors that come from it say so. */
  readonly name?: string
  /** How long a connection may take; 3,000 ms unless told. */
  readonly connectTimeoutMs?: number
}

/** What one call carries; which parts exist is the contract's matter. */
export interface CallInput<P, Q, B> {
  readonly params?: P
  readonly query?: Q
  readonly body?: B
}

/** Which answer of which server an error is about: what its operator finds in log and audit by. */
export interface Origin {
  /** 32 hex characters, from the header mdm-request-id */
  readonly requestId?: string
  readonly server?: string
}

export interface StreamReply {
  readonly origin: Origin
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Buffer>
  /** Ends the transfer of a body that is not wanted. */
  discard(): void
}

/** An answer as it came: `reply` where it keeps to its contract, `refusal` where the service refused. */
export interface Look<R> {
  readonly headers: Readonly<Record<string, string>>
  readonly reply?: R | undefined
  readonly refusal?: MdmError
}

/**
 * One remote service of the grid over HTTPS: TLS 1.3, our client certificate, and the service's key compared with the
 * roster's pins before a byte is sent. No server CA is asked: a certificate proves only which key is there.
 */
export class Peer {
  readonly url: string
  readonly #name: string | undefined
  readonly #agent: Agent
  /** true once an answer came: then a request may go out on a kept connection */
  #answered = false

  constructor(options: PeerOptions) {
    this.url = options.url
    this.#name = options.name
    this.#agent = new Agent({
      connect: pinned(options),
      connections: 8,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 10_000,
    })
  }

  /**
   * Calls an endpoint and returns its parsed reply.
   *
   * @param o `onResponse` is called when the answer has begun
   * @throws the MdmError the service answered with; MDM_UNREACHABLE, MDM_PEER, MDM_BAD_REQUEST (a reply that breaks the contract)
   */
  async call<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
    contract: Contract<P, Q, B, R>,
    input: CallInput<z.input<P>, z.input<Q>, z.input<B>> = {},
    o: { signal?: AbortSignal | undefined; maxReplyBytes?: number; onResponse?: () => void } = {},
  ): Promise<z.infer<R>> {
    const response = await this.#send(contract, input, { accept: 'application/json' }, o.signal)
    o.onResponse?.()
    const text = await readText(response.body, o.maxReplyBytes ?? MAX_REPLY_BYTES, o.signal)
    if (response.statusCode >= 400) throw problemOf(response.statusCode, text, this.#originOf(response))
    const reply = contract.reply?.safeParse(parseJson(text))
    if (reply === undefined || !reply.success) {
      throw new MdmError(
        'MDM_BAD_REQUEST',
        `the reply to ${contract.method} ${contract.path} breaks its contract`,
      )
    }
    return reply.data
  }

  /**
   * Calls an endpoint and gives the answer as it came, for who looks at the service rather than uses it: a refusal is one too.
   *
   * @throws MDM_UNREACHABLE, MDM_PEER
   */
  async look<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
    contract: Contract<P, Q, B, R>,
    input: CallInput<z.input<P>, z.input<Q>, z.input<B>> = {},
    o: { signal?: AbortSignal | undefined } = {},
  ): Promise<Look<z.infer<R>>> {
    const response = await this.#send(contract, input, { accept: 'application/json' }, o.signal)
    const text = await readText(response.body, MAX_REPLY_BYTES, o.signal)
    const headers = flatten(response.headers)
    if (response.statusCode >= 400)
      return { headers, refusal: problemOf(response.statusCode, text, this.#originOf(response)) }
    return { headers, reply: contract.reply?.safeParse(parseJson(text)).data }
  }

  /** Calls an endpoint whose reply is a stream; refusals are thrown as MdmError before anything is returned. */
  async stream<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
    contract: Contract<P, Q, B, R>,
    input: CallInput<z.input<P>, z.input<Q>, z.input<B>> = {},
    o: { headers?: Record<string, string>; signal?: AbortSignal | undefined } = {},
  ): Promise<StreamReply> {
    const response = await this.#send(contract, input, o.headers ?? {}, o.signal)
    if (response.statusCode >= 400) {
      const text = await readText(response.body, MAX_REPLY_BYTES, o.signal)
      throw problemOf(response.statusCode, text, this.#originOf(response))
    }
    const { body } = response
    // Nobody may be reading when the connection goes: whoever reads is told by the iteration itself.
    body.on('error', () => undefined)
    return {
      origin: this.#originOf(response),
      status: response.statusCode,
      headers: flatten(response.headers),
      body: bytesOf(body, o.signal),
      discard: () => void body.destroy(),
    }
  }

  /** True after close(): what fails then says nothing of the server. */
  get closed(): boolean {
    return this.#agent.destroyed
  }

  /** Ends every connection; calls under way fail. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  #originOf({ headers }: Dispatcher.ResponseData): Origin {
    const id = headers['mdm-request-id']
    return typeof id === 'string' && /^[0-9a-f]{32}$/.test(id)
      ? { requestId: id, ...(this.#name === undefined ? {} : { server: this.#name }) }
      : {}
  }

  async #send<P, Q, B>(
    contract: { method: string; path: string; body?: unknown; asksOnly?: boolean | undefined },
    input: CallInput<P, Q, B>,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Dispatcher.ResponseData> {
    const body = contract.body === undefined ? null : JSON.stringify(input.body ?? {})
    const send = async () =>
      await this.#agent.request({
        origin: this.url,
        path: pathOf(contract.path, input.params, input.query),
        method: contract.method as Dispatcher.HttpMethod,
        headers: body === null ? headers : { ...headers, 'content-type': 'application/json' },
        body,
        signal: signal ?? null,
      })
    const asksOnly = contract.method === 'GET' || contract.asksOnly === true
    try {
      const response = await send().catch((error: unknown) => {
        if (!this.#answered || !asksOnly || !isHangUp(error)) throw error
        return send()
      })
      this.#answered = true
      return response
    } catch (error) {
      throw networkError(error, signal, `${this.#name ?? 'the server'} (${this.url})`)
    }
  }
}

function pinned(options: PeerOptions): buildConnector.connector {
  const pins = new Set(options.pins)
  const connect = buildConnector({
    cert: options.credential.certificate,
    key: options.credential.key,
    minVersion: 'TLSv1.3',
    // The chain is not asked: the pin below is the stricter proof, and it survives renewed certificates.
    rejectUnauthorized: false,
    maxCachedSessions: 0,
    timeout: options.connectTimeoutMs ?? 3_000,
    noDelay: true,
  })
  return (target, callback) =>
    connect(target, (...[error, socket]) => {
      if (error !== null) return callback(error, null)
      const certificate = (socket as TLSSocket).getPeerX509Certificate()
      const spki = certificate?.publicKey.export({ type: 'spki', format: 'der' })
      const digest = spki === undefined ? '' : createHash('sha256').update(spki).digest('hex')
      const now = Date.now()
      if (
        !pins.has(digest) ||
        Date.parse(certificate!.validTo) < now ||
        Date.parse(certificate!.validFrom) > now + 300_000
      ) {
        socket.destroy()
        return callback(new MdmError('MDM_PEER'), null)
      }
      callback(null, socket)
    })
}

function pathOf(path: string, params: unknown, query: unknown): string {
  const values = (params ?? {}) as Record<string, unknown>
  const filled = path.replace(/:([a-z]+)/gi, (_, name: string) => encodeURIComponent(String(values[name])))
  const pairs = Object.entries((query ?? {}) as Record<string, unknown>).filter(
    ([, value]) => value !== undefined,
  )
  return pairs.length === 0
    ? filled
    : `${filled}?${new URLSearchParams(pairs.map(([k, v]) => [k, String(v)]))}`
}

/** The MdmError a problem document stands for; a status without one is a server we do not understand. */
function problemOf(status: number, text: string, origin: Origin): MdmError {
  const problem = Problem.safeParse(parseJson(text))
  if (problem.success && isErrorCode(problem.data.code)) {
    const { code, title, requestId, details } = problem.data
    return new MdmError(code, title, {
      // Last, since a site may pass on what another server told it.
      details: { ...details, ...(requestId === undefined ? {} : { requestId }), ...origin },
    })
  }
  return new MdmError('MDM_UNREACHABLE', `the server answered with status ${status} and no reason`, {
    details: { ...origin },
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function flatten(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([k, v]) =>
      v === undefined ? [] : [[k.toLowerCase(), Array.isArray(v) ? v.join(', ') : v]],
    ),
  )
}
