import type { z } from 'zod'

/** One endpoint as both sides know it: the client's call() and the server's route() read the same object. */
export interface Contract<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
> {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** Path with :name for each param, such as /v1/shares/:guid. */
  readonly path: string
  /** a POST that changes nothing, so that a client may send it twice, as any GET (RFC 9110 section 9.2.2) */
  readonly asksOnly?: boolean
  readonly params?: Params
  readonly query?: Query
  readonly body?: Body
  /** Absent when the reply is a stream. */
  readonly reply?: Reply
}

export function contract<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  c: Contract<P, Q, B, R>,
): Contract<P, Q, B, R> {
  return c
}

export type ParamsOf<C> = C extends Contract<infer P, z.ZodType, z.ZodType, z.ZodType> ? z.infer<P> : never
export type QueryOf<C> = C extends Contract<z.ZodType, infer Q, z.ZodType, z.ZodType> ? z.infer<Q> : never
export type BodyOf<C> = C extends Contract<z.ZodType, z.ZodType, infer B, z.ZodType> ? z.infer<B> : never
export type ReplyOf<C> = C extends Contract<z.ZodType, z.ZodType, z.ZodType, infer R> ? z.infer<R> : never
