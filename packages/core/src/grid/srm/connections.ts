import type { TLSSocket } from 'node:tls'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import { MdmError } from '../../errors.ts'
import { bytesOf, isHangUp, networkError, readText } from '../reply-bytes.ts'
import { requireTrusted, type ServerTrust } from './trust.ts'

/** The octet that opens a connection of httpg: no delegation ('D' would offer one). Grid software waits for it. */
const NO_DELEGATION = '0'
const MAX_SOAP_BYTES = 1024 * 1024

export interface ConnectionOptions {
  readonly trust: ServerTrust
  /** Certificate, then the chain up to its CA, and key, PEM */
  readonly credential: { readonly certificate: string; readonly key: string }
  /** 10,000 ms unless told */
  readonly connectTimeoutMs?: number | undefined
  /** longest silence of a server, 60,000 ms unless told */
  readonly idleTimeoutMs?: number | undefined
}

export interface FileReply {
  readonly url: URL
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Buffer>
  /** Ends the transfer of a body that is not wanted. */
  discard(): void
}

/** Connections to storage services: httpg for SRM, https for the URLs it hands out. Each server proves itself before it is sent a byte. */
export class StorageConnections {
  readonly #httpg: Agent
  readonly #https: Agent

  constructor(o: ConnectionOptions) {
    const limits = {
      connections: 4,
      headersTimeout: o.idleTimeoutMs ?? 60_000,
      bodyTimeout: o.idleTimeoutMs ?? 60_000,
      keepAliveTimeout: 10_000,
    }
    // GSI knows no TLS 1.3: a ticket that comes after the handshake breaks its framing.
    const httpg = trusting(o, 'TLSv1.2', (socket, ready) => socket.write(NO_DELEGATION, ready))
    this.#httpg = new Agent({ ...limits, connect: httpg })
    this.#https = new Agent({ ...limits, connect: trusting(o, 'TLSv1.3', (_, ready) => ready()) })
  }

  /**
   * Sends a SOAP message (SOAP 1.1 section 6) over httpg.
   *
   * @returns the message that answers, faults included
   * @throws MDM_UNREACHABLE | MDM_PEER | MDM_CONFIG
   */
  async post(
    url: URL,
    message: string,
    signal?: AbortSignal | undefined,
  ): Promise<{ status: number; text: string }> {
    // The WSDL has an empty action for every operation; services on Axis want the header to be there.
    const headers = { 'content-type': 'text/xml; charset=utf-8', soapaction: '""' }
    const response = await send(this.#httpg, url, { method: 'POST', headers, body: message }, signal)
    return { status: response.statusCode, text: await readText(response.body, MAX_SOAP_BYTES, signal) }
  }

  /** Asks for a file, of any status. @throws MDM_UNREACHABLE | MDM_PEER | MDM_CONFIG */
  async get(url: URL, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<FileReply> {
    const response = await send(this.#https, url, { method: 'GET', headers }, signal)
    const { body } = response
    // Nobody may be reading when the connection goes: whoever reads is told by the iteration itself.
    body.on('error', () => undefined)
    return {
      url,
      status: response.statusCode,
      headers: flat(response.headers),
      body: bytesOf(body, signal),
      discard: () => void body.destroy(),
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#httpg.destroy(), this.#https.destroy()])
  }
}

function trusting(
  o: ConnectionOptions,
  maxVersion: 'TLSv1.2' | 'TLSv1.3',
  begin: (socket: TLSSocket, ready: (error?: Error | null) => void) => void,
): buildConnector.connector {
  const connect = buildConnector({
    cert: o.credential.certificate,
    key: o.credential.key,
    // Nothing but these: without any, the system's own would be taken.
    ca: [...o.trust.cas.certificates],
    minVersion: 'TLSv1.2',
    maxVersion,
    // requireTrusted decides: a key of a roster needs no CA.
    rejectUnauthorized: false,
    allowH2: false,
    maxCachedSessions: 0,
    timeout: o.connectTimeoutMs ?? 10_000,
  })
  return (target, callback) =>
    connect(target, (...[error, socket]) => {
      if (error !== null) return callback(error, null)
      try {
        requireTrusted(socket as TLSSocket, o.trust, target.host ?? target.hostname)
      } catch (distrust) {
        socket.destroy()
        return callback(distrust as Error, null)
      }
      begin(socket as TLSSocket, (failure) => (failure ? callback(failure, null) : callback(null, socket)))
    })
}

async function send(
  agent: Agent,
  url: URL,
  request: { method: 'GET' | 'POST'; headers: Record<string, string>; body?: string },
  signal: AbortSignal | undefined,
): Promise<Dispatcher.ResponseData> {
  if (url.protocol !== 'https:') throw new MdmError('MDM_PEER', 'a storage service must be asked over TLS')
  const attempt = async () =>
    await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      ...request,
      signal: signal ?? null,
    })
  try {
    return await attempt().catch((error: unknown) => {
      // A connection that was kept may be closed as it is used; a GET may be sent again (RFC 9112 section 9.3.1).
      if (request.method !== 'GET' || !isHangUp(error)) throw error
      return attempt()
    })
  } catch (error) {
    throw networkError(error, signal, `the storage service ${url.host}`)
  }
}

function flat(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]],
    ),
  )
}
