import { z } from 'zod'
import { ERRORS, isErrorCode, type ErrorCode } from '../../errors.ts'
import { maybe, one, prose, struct } from './values.ts'

/** TStatusCode of SRM v2.2, all of it. */
export const SrmStatus = z.enum([
  'SRM_SUCCESS',
  'SRM_FAILURE',
  'SRM_AUTHENTICATION_FAILURE',
  'SRM_AUTHORIZATION_FAILURE',
  'SRM_INVALID_REQUEST',
  'SRM_INVALID_PATH',
  'SRM_FILE_LIFETIME_EXPIRED',
  'SRM_SPACE_LIFETIME_EXPIRED',
  'SRM_EXCEED_ALLOCATION',
  'SRM_NO_USER_SPACE',
  'SRM_NO_FREE_SPACE',
  'SRM_DUPLICATION_ERROR',
  'SRM_NON_EMPTY_DIRECTORY',
  'SRM_TOO_MANY_RESULTS',
  'SRM_INTERNAL_ERROR',
  'SRM_FATAL_INTERNAL_ERROR',
  'SRM_NOT_SUPPORTED',
  'SRM_REQUEST_QUEUED',
  'SRM_REQUEST_INPROGRESS',
  'SRM_REQUEST_SUSPENDED',
  'SRM_ABORTED',
  'SRM_RELEASED',
  'SRM_FILE_PINNED',
  'SRM_FILE_IN_CACHE',
  'SRM_SPACE_AVAILABLE',
  'SRM_LOWER_SPACE_GRANTED',
  'SRM_DONE',
  'SRM_PARTIAL_SUCCESS',
  'SRM_REQUEST_TIMED_OUT',
  'SRM_LAST_COPY',
  'SRM_FILE_BUSY',
  'SRM_FILE_LOST',
  'SRM_FILE_UNAVAILABLE',
  'SRM_CUSTOM_STATUS',
])
export type SrmStatus = z.infer<typeof SrmStatus>

/** TReturnStatus. The explanation is shown to the user by every client. */
export const ReturnStatus = struct({
  statusCode: one(SrmStatus),
  explanation: maybe(prose(8_192)),
})
export type ReturnStatus = z.output<typeof ReturnStatus>

/** What a code of ours is in SRM; all others are SRM_FATAL_INTERNAL_ERROR. docs/formats/srm.md says what clients make of each. */
const STATUS: Partial<Record<ErrorCode, SrmStatus>> = {
  MDM_NOT_FOUND: 'SRM_INVALID_PATH',
  MDM_GONE: 'SRM_FILE_LOST',
  MDM_DENIED: 'SRM_AUTHORIZATION_FAILURE',
  MDM_BANNED: 'SRM_AUTHORIZATION_FAILURE',
  MDM_UNAUTHENTICATED: 'SRM_AUTHENTICATION_FAILURE',
  MDM_REVOKED: 'SRM_AUTHENTICATION_FAILURE',
  MDM_CREDENTIAL_EXPIRED: 'SRM_AUTHENTICATION_FAILURE',
  // Also nobody whom it could be a different answer for: who calls is not known.
  MDM_CRL: 'SRM_AUTHENTICATION_FAILURE',
  MDM_BAD_REQUEST: 'SRM_INVALID_REQUEST',
  MDM_USAGE: 'SRM_INVALID_REQUEST',
  MDM_READ_ONLY: 'SRM_NOT_SUPPORTED',
  MDM_RANGE: 'SRM_INVALID_REQUEST',
  MDM_SOURCE_UNREACHABLE: 'SRM_FILE_UNAVAILABLE',
  MDM_SOURCE_INCOMPLETE: 'SRM_FILE_UNAVAILABLE',
  MDM_SOURCE_REFUSED: 'SRM_FILE_UNAVAILABLE',
  MDM_SOURCE_PROTOCOL: 'SRM_FILE_UNAVAILABLE',
  MDM_SOURCE_CHANGED: 'SRM_FILE_UNAVAILABLE',
  MDM_BELOW_THRESHOLD: 'SRM_FILE_UNAVAILABLE',
  MDM_PRIVACY_HELD: 'SRM_FILE_UNAVAILABLE',
  MDM_SPOOL_FULL: 'SRM_NO_FREE_SPACE',
  // SRM_INTERNAL_ERROR is the transient one: gfal2 asks again by itself, ARC calls it temporary.
  MDM_LIMIT: 'SRM_INTERNAL_ERROR',
  MDM_STORE: 'SRM_INTERNAL_ERROR',
  MDM_AUDIT: 'SRM_INTERNAL_ERROR',
  MDM_CATCHING_UP: 'SRM_INTERNAL_ERROR',
  MDM_UNREACHABLE: 'SRM_INTERNAL_ERROR',
}

/** What a status of another storage element is in our table; all others are MDM_UNREACHABLE. */
const CODE: Partial<Record<SrmStatus, ErrorCode>> = {
  SRM_INVALID_PATH: 'MDM_NOT_FOUND',
  SRM_FILE_LOST: 'MDM_GONE',
  SRM_AUTHORIZATION_FAILURE: 'MDM_DENIED',
  SRM_AUTHENTICATION_FAILURE: 'MDM_UNAUTHENTICATED',
  SRM_INVALID_REQUEST: 'MDM_BAD_REQUEST',
  SRM_NOT_SUPPORTED: 'MDM_BAD_REQUEST',
  SRM_FILE_UNAVAILABLE: 'MDM_SOURCE_UNREACHABLE',
  SRM_NO_FREE_SPACE: 'MDM_SPOOL_FULL',
  SRM_NO_USER_SPACE: 'MDM_SPOOL_FULL',
  SRM_TOO_MANY_RESULTS: 'MDM_LIMIT',
}

export function statusOf(code: ErrorCode): SrmStatus {
  return STATUS[code] ?? 'SRM_FATAL_INTERNAL_ERROR'
}

/** Code and meaning as the error table has them, and nothing that anybody sent. */
export function explain(code: ErrorCode): string {
  return `${code}: ${ERRORS[code].what}`
}

/** What a service of others says, as letters that a terminal can be shown. */
export function printable(text: string): string {
  const told = text.replace(/[^\x20-\x7e]+/g, ' ')
  return told.trim().slice(0, 200)
}

/** A refusal as SRM says it. */
export function refusal(code: ErrorCode): ReturnStatus {
  return { statusCode: statusOf(code), explanation: explain(code) }
}

/** The code that a refusal stands for: ours where an MDM says it and means this status, else what the status is most like. */
export function codeOf({ statusCode, explanation }: ReturnStatus): ErrorCode {
  const told = /^(MDM_[A-Z_]{1,40}): /.exec(explanation ?? '')?.[1]
  if (isErrorCode(told) && statusOf(told) === statusCode) return told
  return CODE[statusCode] ?? 'MDM_UNREACHABLE'
}
