import type { z } from 'zod'
import { FileStorageType } from './listing.ts'
import { ReturnStatus } from './status.ts'
import {
  BOOLEAN,
  INT,
  listOf,
  maybe,
  one,
  someOf,
  string,
  struct,
  SURL,
  TOKEN,
  trimmed,
  UNSIGNED,
} from './values.ts'

/** TGetFileRequest of each file */
export const FileRequests = someOf(
  'requestArray',
  struct({
    sourceSURL: one(SURL),
    dirOption: one(struct({ isSourceADirectory: one(BOOLEAN) })).optional(),
  }),
)

/** Over which protocols a client can fetch. */
export const TransferParameters = struct({
  arrayOfTransferProtocols: listOf('stringArray', trimmed(64)).optional(),
})

/** What a client wants prepared, and over which protocols it can fetch it. */
export const PrepareToGetRequest = struct({
  arrayOfFileRequests: FileRequests,
  userRequestDescription: one(string(1_024)).optional(),
  desiredFileStorageType: one(FileStorageType).optional(),
  /** seconds */
  desiredTotalRequestTime: one(INT).optional(),
  /** seconds */
  desiredPinLifeTime: one(INT).optional(),
  transferParameters: one(TransferParameters).optional(),
})
export type PrepareToGetRequest = z.output<typeof PrepareToGetRequest>

/** TGetRequestFileStatus */
export const GetFileStatus = struct({
  sourceSURL: one(SURL),
  fileSize: maybe(UNSIGNED),
  status: one(ReturnStatus),
  /** seconds */
  estimatedWaitTime: maybe(INT),
  /** seconds */
  remainingPinTime: maybe(INT),
  transferURL: maybe(trimmed(2_048)),
})
export type GetFileStatus = z.output<typeof GetFileStatus>

export const PrepareToGetReply = struct({
  returnStatus: one(ReturnStatus),
  requestToken: maybe(TOKEN),
  arrayOfFileStatuses: listOf('statusArray', GetFileStatus).optional(),
  /** seconds */
  remainingTotalRequestTime: maybe(INT),
})
export type PrepareToGetReply = z.output<typeof PrepareToGetReply>

export const StatusOfGetRequest = struct({
  requestToken: one(TOKEN),
  /** all of the request where absent */
  arrayOfSourceSURLs: listOf('urlArray', SURL).optional(),
})
export type StatusOfGetRequest = z.output<typeof StatusOfGetRequest>

export const StatusOfGetReply = struct({
  returnStatus: one(ReturnStatus),
  arrayOfFileStatuses: listOf('statusArray', GetFileStatus).optional(),
  /** seconds */
  remainingTotalRequestTime: maybe(INT),
})
export type StatusOfGetReply = z.output<typeof StatusOfGetReply>
