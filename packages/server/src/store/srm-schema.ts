import type { ErrorCode } from '@mdm/core/errors'
import type { Guid, Sha256 } from '@mdm/core/names'

/** One request of a storage client. Its token is not here: who reads the store can use none. */
export interface SrmRequestsTable {
  /** SHA-256 of the token */
  token_digest: Sha256
  kind: 'get' | 'stage'
  /** who asked, as the certificate said then, JSON */
  caller: string
  /** how long its pins last, seconds */
  pin_seconds: number
  created: string
  started: string | null
  finished: string | null
  /** when all of it is forgotten */
  ends: string
}

export interface SrmFilesTable {
  token_digest: Sha256
  /** within the request, from 0 */
  position: number
  /** as the caller wrote it */
  surl: string
  /** null where it names nothing that the caller may know of */
  guid: Guid | null
  version: number | null
  state: 'QUEUED' | 'IN_PROGRESS' | 'READY' | 'FAILED' | 'RELEASED' | 'ABORTED' | 'EXPIRED'
  code: ErrorCode | null
  pinned_until: string | null
  /** SHA-256 of the token of its URL */
  turl_digest: Sha256
}
