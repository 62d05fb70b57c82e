import { constants, randomBytes } from 'node:crypto'
import type { Server } from 'node:https'
import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { PROBLEM_TYPE } from '@mdm/core/wire/problem'
import { chainOf, remember } from './client-chain.ts'
import { HTTPG_TLS, pathOfTarget, speakHttpg } from './httpg.ts'
import type { Limiter } from './limit.ts'
import type { Log } from './log.ts'
import type { RequestMetrics } from './metrics/requests.ts'
import { asMdmError, originOf, problemOf } from './problem.ts'

/** One HTTPS listener with its routes. */
export type App = FastifyInstance<Server>

/** A request that was refused, for the audit log; no part of the URL but the params, which the contract names. */
export interface Refusal {
  readonly code: ErrorCode
  /** absent when the caller could not be identified */
  readonly caller?: Caller
  readonly requestId: string
  readonly params: Readonly<Record<string, unknown>>
}

/**
 * A refusal as another protocol says it. Whoever is not let in is refused after the body was read, since some protocols must
 * repeat what they were asked; nothing else is done with it.
 *
 * @param body as it was read; undefined where the refusal came before
 */
export type RefusalWording = (
  error: MdmError,
  body: unknown,
) => { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }

export interface AppOptions {
  /** PEM texts */
  readonly tls: { readonly certificate: string; readonly key: string }
  /** Our verification on top of TLS, asked for every request: expiry and bans count on open connections too. */
  identify(chain: readonly X509Certificate[]): Caller | Promise<Caller>
  readonly log: Log
  /** httpg: what grid clients speak, on the port of the storage element; https unless told */
  readonly speaks?: 'https' | 'httpg'
  /** 4 MiB unless told */
  readonly maxBodyBytes?: number
  /** Asked with who calls, before anything is audited; nobody is limited when absent. */
  readonly limit?: Limiter
  /** Told of every request and refusal; counts only. */
  readonly metrics?: RequestMetrics
  /** Told of every refusal before it is answered, but not of MDM_LIMIT; a throw turns the answer into that error. */
  refused?(refusal: Refusal): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Once set, every new request is told to come again. */
    draining: { since?: number }
  }
  interface FastifyContextConfig {
    /** how a route words refusals that speaks another protocol than ours */
    refusal?: RefusalWording
  }
  interface FastifyRequest {
    caller: Caller | null
    /** why there is no caller, on a route with a wording of its own */
    unidentified: unknown
    chain: readonly X509Certificate[]
    /** when it was asked who calls, ms of performance.now() */
    admittedAt: number
  }
}

/** Open connections of all callers together; the next one is closed at once. */
const MAX_CONNECTIONS = 4_096
/** After so long a body its sender is looked at again, ms. */
const LONG_BODY_MS = 1_000
/** Longest URL part a route may hold: a SURL, URL-encoded. */
const MAX_PARAM = 512

/**
 * Makes the HTTPS listener that site and key server share: TLS 1.3 only (httpg: 1.2 only), a client certificate on every route
 * (/health and unknown ones too), no tickets, no renegotiation, no resumed session; every refusal a problem document.
 */
export function createApp(o: AppOptions): App {
  const isHttpg = o.speaks === 'httpg'
  const app: App = fastify({
    https: {
      cert: o.tls.certificate,
      key: o.tls.key,
      ...(isHttpg ? HTTPG_TLS : { minVersion: 'TLSv1.3' as const }),
      requestCert: true,
      // Whoever connects gets an answer that says why; identify() is the one judge of certificates.
      rejectUnauthorized: false,
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
      maxHeaderSize: 16_384,
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
    },
    logger: false,
    bodyLimit: o.maxBodyBytes ?? 4 * 1024 * 1024,
    requestTimeout: 30_000,
    keepAliveTimeout: 60_000,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    genReqId: () => randomBytes(16).toString('hex'),
    exposeHeadRoutes: false,
    routerOptions: {
      maxParamLength: MAX_PARAM,
      ...(isHttpg ? { ignoreDuplicateSlashes: true, ignoreTrailingSlash: true } : {}),
    },
    ...(isHttpg ? { rewriteUrl: ({ url }: { url?: string }) => pathOfTarget(url ?? '/') } : {}),
    // A text that is not HTTP has no caller to answer.
    clientErrorHandler: (_error, socket) => socket.destroy(),
    frameworkErrors: (error, request, reply) => void refuseFrameworkError(error, request, reply, o),
  })
  app.server.maxConnections = MAX_CONNECTIONS
  app.server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.isSessionReused()) socket.destroy()
  })
  app.removeContentTypeParser('text/plain')
  if (isHttpg) speakHttpg(app)
  app.decorate('draining', {})
  app.decorateRequest('caller', null)
  app.decorateRequest('unidentified', null)
  app.decorateRequest('chain', null as never)
  app.decorateRequest('admittedAt', 0)
  app.addHook('onRoute', ({ url }) => o.metrics?.serves(url))
  app.addHook('onRequest', (request, reply) => admit(request, reply, o))
  app.addHook('preHandler', (request) => admitAgain(request, o))
  app.setNotFoundHandler(async () => {
    throw new MdmError('MDM_NOT_FOUND')
  })
  app.setErrorHandler((error, request, reply) => refuse(error, request, reply, o))
  return app
}

/** Identifies the caller, then applies the rate limit. A server that stops does neither: the answer is the same for everyone. */
async function admit(request: FastifyRequest, reply: FastifyReply, o: AppOptions): Promise<void> {
  void reply.header('mdm-request-id', request.id).header('cache-control', 'no-store')
  watchEnd(request, reply, o)
  if (isDraining(request)) throw new MdmError('MDM_UNREACHABLE', 'the server is stopping')
  request.chain = chainOf(request.raw.socket as TLSSocket)
  try {
    await identifyCaller(request, o)
  } finally {
    // Those who cannot be identified share what their address may ask.
    o.limit?.take(request.caller === null ? `address ${request.ip}` : bucketOf(request.caller))
  }
}

/** Whoever takes his time with a body may be banned, revoked or expired when it is whole. */
async function admitAgain(request: FastifyRequest, o: AppOptions): Promise<void> {
  if (request.caller === null || performance.now() - request.admittedAt < LONG_BODY_MS) return
  request.caller = null
  await identifyCaller(request, o)
}

async function identifyCaller(request: FastifyRequest, o: AppOptions): Promise<void> {
  try {
    request.caller = await o.identify(request.chain)
    remember(request.chain)
    request.admittedAt = performance.now()
  } catch (error) {
    if (wordingOf(request) === undefined) throw error
    request.unidentified = error
  }
}

/** A user has one bucket however many proxies act for him. */
function bucketOf(caller: Caller): string {
  return caller.kind === 'user' ? `user ${caller.dn} of ${caller.issuer}` : caller.spki
}

/** Writes a request down when it is over, also one that was cut. */
function watchEnd(request: FastifyRequest, reply: FastifyReply, { log, metrics }: AppOptions): void {
  const begun = performance.now()
  reply.raw.once('close', () => {
    const whole = reply.raw.writableFinished
    const ms = performance.now() - begun
    const { method } = request
    const route = request.routeOptions?.url
    const status = reply.raw.statusCode
    metrics?.done({ method, route, status: whole ? status : 0, ms })
    const event = whole ? 'request' : 'request-cut'
    log.info({ event, method, route, status, ms: Math.round(ms), requestId: request.id })
  })
}

const wordingOf = (request: FastifyRequest): RefusalWording | undefined =>
  request.routeOptions?.config?.refusal

const isDraining = (request: FastifyRequest): boolean => request.server.draining.since !== undefined

async function refuse(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  o: AppOptions,
): Promise<FastifyReply> {
  let refusal = wasCut(request) ? asCut(error) : asMdmError(error)
  try {
    if (refusal.status < 500 && refusal.code !== 'MDM_LIMIT') {
      await o.refused?.({
        code: refusal.code,
        ...(request.caller === null ? {} : { caller: request.caller }),
        requestId: request.id,
        params: (request.params ?? {}) as Record<string, unknown>,
      })
    }
  } catch (fault) {
    refusal = asMdmError(fault)
  }
  const { code } = refusal
  o.metrics?.refused(code)
  const stopping = code === 'MDM_UNREACHABLE' && isDraining(request)
  // 503 says "later" also to a program that knows HTTP only (RFC 9110 section 15.6.4).
  const status = stopping ? 503 : refusal.status
  if (stopping) void reply.header('connection', 'close')
  const at = originOf(refusal)
  if (status >= 500 && !stopping) o.log.error({ event: 'fault', code, requestId: request.id, at })
  else o.log.info({ event: 'refusal', code, requestId: request.id })
  const wording = wordingOf(request)
  if (wording !== undefined) {
    const own = wording(refusal, request.body)
    return reply
      .code(stopping ? status : own.status)
      .headers(own.headers)
      .send(own.body)
  }
  return reply
    .code(status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify({ ...problemOf(refusal), status }))
}

/** True when the caller went, or wrote what is not HTTP, before his body was whole: then the handler was never called. */
function wasCut({ raw }: FastifyRequest): boolean {
  return raw.destroyed && !raw.complete
}

function asCut(error: unknown): MdmError {
  return error instanceof MdmError ? error : new MdmError('MDM_BAD_REQUEST', undefined, { cause: error })
}

/** A URL that cannot be decoded never reaches the hooks: the caller is identified here, so that strangers learn nothing. */
async function refuseFrameworkError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  o: AppOptions,
): Promise<void> {
  try {
    await admit(request, reply, o)
    await refuse(error, request, reply, o)
  } catch (fault) {
    await refuse(fault, request, reply, o)
  }
}
