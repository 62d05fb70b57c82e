import { ERRORS, MdmError, type ErrorCode } from '@mdm/core/errors'
import type { Problem } from '@mdm/core/wire/problem'

/**
 * Codes whose answer is the same bytes whatever the reason, so that it tells nothing about what exists (rule "Answers"), nor,
 * for our own faults, about our inside.
 */
const UNIFORM: ReadonlySet<ErrorCode> = new Set([
  'MDM_NOT_FOUND',
  'MDM_UNAUTHENTICATED',
  'MDM_INTERNAL',
  'MDM_AUDIT',
  'MDM_CATCHING_UP',
])

/** An error as the document a caller gets (RFC 9457). The request id is in the header only: bodies stay comparable. */
export function problemOf(error: MdmError): Problem {
  const uniform = UNIFORM.has(error.code)
  const document = {
    title: (uniform ? ERRORS[error.code].what : error.message).slice(0, 500),
    status: error.status,
    code: error.code,
  }
  if (uniform || Object.keys(error.details).length === 0) return document
  return { ...document, details: error.details }
}

/** What a caught error means to a caller: fastify's own refusals are bad requests, everything unknown is a fault of ours. */
export function asMdmError(error: unknown): MdmError {
  if (error instanceof MdmError) return error
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown }
  const ofFastify = typeof code === 'string' && code.startsWith('FST_ERR_')
  if (ofFastify && typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new MdmError('MDM_BAD_REQUEST', undefined, { cause: error })
  }
  return new MdmError('MDM_INTERNAL', undefined, { cause: error })
}

/** File and line of ours where an error was made; never its message, which may hold anything. */
export function originOf(error: unknown): string | undefined {
  const cause = error instanceof MdmError && error.code === 'MDM_INTERNAL' ? (error.cause ?? error) : error
  if (!(cause instanceof Error) || typeof cause.stack !== 'string') return undefined
  const frame = /\n {4}at [^\n]*packages\/(?:core|server)\/(?:src|dist)\/([a-z0-9/-]+\.[tj]s:[0-9]+)/.exec(
    cause.stack,
  )
  return frame?.[1]
}
