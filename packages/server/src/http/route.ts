import type { X509Certificate } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { free } from '@mdm/core/memory'
import { formatServerTiming, Timing } from '@mdm/core/timing'
import type { Contract } from '@mdm/core/wire/contract'
import type { App, RefusalWording } from './app.ts'

/** Who asks, and what goes with the answer, whatever the protocol. */
export interface AnyContext {
  readonly caller: Caller
  /** the caller's certificates, leaf first, to identify the caller under another roster */
  readonly chain: readonly X509Certificate[]
  /** 32 hex characters, the same as in the reply's header mdm-request-id */
  readonly requestId: string
  /** aborts when the caller has gone before the reply was complete */
  readonly signal: AbortSignal
  /** its rows travel as Server-Timing with a reply that is not a refusal */
  readonly timing: Timing
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** What a handler gets: the request as its contract describes it, and who asks. */
export interface RequestContext<Params, Query, Body> extends AnyContext {
  readonly params: Params
  readonly query: Query
  readonly body: Body
}

/** What a handler returns where the contract has no reply schema. Content-Length is the handler's to set. */
export interface StreamReply {
  /** 200 unless told; 206 for a part */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | number>>
  /** If it fails after the first byte the connection is cut, so that a short body cannot look whole. */
  readonly body: Readable | AsyncIterable<Uint8Array> | Uint8Array | string
  /** true where nobody else has the pieces of `body`: each is given back once it is written */
  readonly own?: boolean
}

/**
 * Serves one contract: the request is parsed before the handler sees it, the reply before it leaves.
 *
 * @param o       `maxBodyBytes`: the listener's unless told
 * @param handler returns the contract's reply, or a StreamReply where it has none, or undefined after reply.hijack()
 */
export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  app: App,
  contract: Contract<P, Q, B, R>,
  handler: (
    c: RequestContext<z.output<P>, z.output<Q>, z.output<B>>,
  ) => Promise<z.input<R> | StreamReply | undefined>,
  o: { maxBodyBytes?: number } = {},
): void {
  app.route({
    method: contract.method,
    url: contract.path,
    ...(o.maxBodyBytes === undefined ? {} : { bodyLimit: o.maxBodyBytes }),
    handler: async (request, reply) => {
      const c = contextOf(request, reply)
      const result = await handler({
        ...c,
        params: parse(contract, 'params', request.params),
        query: parse(contract, 'query', request.query),
        body: parse(contract, 'body', request.body),
      })
      sendTiming(c)
      if (contract.reply !== undefined) return checked(contract.reply, result)
      return result === undefined ? reply : stream(reply, result as StreamReply)
    },
  })
}

/**
 * Serves a protocol that is not ours and has no contract: the handler reads the request, and must bound and parse what it takes.
 *
 * @param o `url` is a pattern, `maxBodyBytes` the listener's unless told, `refusal` words refusals as the protocol does
 */
export function routeAny(
  app: App,
  o: { method: string | string[]; url: string; maxBodyBytes?: number; refusal?: RefusalWording },
  handler: (c: AnyContext) => Promise<StreamReply>,
): void {
  app.route({
    method: o.method,
    url: o.url,
    ...(o.maxBodyBytes === undefined ? {} : { bodyLimit: o.maxBodyBytes }),
    ...(o.refusal === undefined ? {} : { config: { refusal: o.refusal } }),
    handler: async (request, reply) => {
      const c = contextOf(request, reply)
      const result = await handler(c)
      sendTiming(c)
      return stream(reply, result)
    },
  })
}

function contextOf(request: FastifyRequest, reply: FastifyReply): AnyContext {
  return {
    caller: callerOf(request),
    chain: request.chain,
    requestId: request.id,
    signal: goneSignal(reply),
    timing: new Timing(),
    request,
    reply,
  }
}

function sendTiming({ timing, reply }: AnyContext): void {
  if (timing.rows.length > 0 && !reply.sent)
    void reply.header('server-timing', formatServerTiming(timing.rows))
}

function parse<C extends Contract>(contract: C, part: 'params' | 'query' | 'body', value: unknown): never {
  const schema = contract[part]
  if (schema === undefined) return undefined as never
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data as never
  // Only names of the schema's own fields, never what was sent.
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  const fields = known.filter((name) => parsed.error.issues.some((issue) => issue.path[0] === name))
  throw new MdmError(
    'MDM_BAD_REQUEST',
    `the ${part} do not have the form of ${contract.method} ${contract.path}`,
    {
      details: { fields },
    },
  )
}

function checked(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new MdmError('MDM_INTERNAL', 'a reply broke its contract', { cause: parsed.error })
}

function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw request.unidentified ?? new MdmError('MDM_UNAUTHENTICATED')
  return request.caller
}

function stream(reply: FastifyReply, o: StreamReply): FastifyReply {
  void reply.code(o.status ?? 200).headers({ 'content-type': 'application/octet-stream', ...o.headers })
  if (o.own === true) freeWritten(reply.raw)
  if (typeof o.body === 'string' || o.body instanceof Readable) return reply.send(o.body)
  if (o.body instanceof Uint8Array)
    return reply.send(Buffer.from(o.body.buffer, o.body.byteOffset, o.body.byteLength))
  return reply.send(Readable.from(o.body, { objectMode: false, highWaterMark: 262_144 }))
}

/** Left to the garbage collector, pieces of a fast transfer pile up: 40 MiB and more of a large volume. */
function freeWritten(response: ServerResponse): void {
  const write = response.write.bind(response) as (piece: Uint8Array, written: () => void) => boolean
  response.write = (piece: Uint8Array) => write(piece, () => free(piece))
}

function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new MdmError('MDM_UNREACHABLE', 'the caller has gone'))
  })
  return gone.signal
}
