import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { Operation, ReplyOf, RequestOf } from '@mdm/core/wire/srm/messages'
import { refusal, statusOf, type ReturnStatus } from '@mdm/core/wire/srm/status'
import type { Entries } from '../entries.ts'
import { decodedPath, pathOfSurl, placeOf, type Place } from '../namespace.ts'
import type { Requests } from '../requests/requests.ts'
import type { PageEnds } from './page-ends.ts'

/** What of requests SRM needs. */
export type Preparations = Pick<Requests, 'open' | 'find' | 'release' | 'releaseNamed' | 'extend'>

/** What the operations work with. */
export interface Services {
  readonly entries: Entries
  readonly requests: Preparations
  readonly now: () => Date
  readonly pageEnds: PageEnds
}

/** What an operation is asked, by whom. */
export interface Call<O extends Operation> extends Services {
  readonly request: RequestOf<O>
  readonly caller: Caller
  /** 32 hex characters */
  readonly requestId: string
  /** aborts when the caller has gone */
  readonly signal: AbortSignal
  /** Told of a file that is refused within an answer that is none. */
  refused(code: ErrorCode, place?: Place): void
}

/**
 * One operation of SRM v2.2. What is wrong with one file is said beside it; what is wrong with all of it is thrown, and answered
 * as the status of the whole.
 */
export type Handler<O extends Operation> = (call: Call<O>) => Promise<ReplyOf<O>>

export const SUCCESS: ReturnStatus = { statusCode: 'SRM_SUCCESS' }

/** What a SURL means; undefined for what can never be there. */
export function placeOfSurl(surl: string): Place | undefined {
  const path = pathOfSurl(surl)
  return path === undefined ? undefined : placeOf(decodedPath(path))
}

/**
 * What is wrong with one file, beside which others may be well.
 *
 * @throws what is wrong with the site and not with the file, so that a client asks again
 */
export function refusalOfFile(error: unknown): { code: ErrorCode; status: ReturnStatus } {
  if (!(error instanceof MdmError)) throw error
  const { code } = error
  if (/INTERNAL_ERROR$/.test(statusOf(code))) throw error
  return { code, status: refusal(code) }
}

/** The status of several files together (SRM v2.2 section 4.3.2 and others). @throws MDM_BAD_REQUEST for none */
export function statusOfAll(statuses: readonly ReturnStatus[]): ReturnStatus {
  // It names nothing that could be right or wrong.
  if (statuses.length === 0) throw new MdmError('MDM_BAD_REQUEST')
  const good = statuses.filter(({ statusCode }) => statusCode === 'SRM_SUCCESS').length
  if (good === statuses.length) return SUCCESS
  return { statusCode: good === 0 ? 'SRM_FAILURE' : 'SRM_PARTIAL_SUCCESS' }
}
