import type { z } from 'zod'
import { FileRequests, TransferParameters } from './getting.ts'
import { FileStorageType } from './listing.ts'
import { ReturnStatus } from './status.ts'
import { INT, listOf, one, string, struct, SURL, TOKEN, UNSIGNED } from './values.ts'

/** What a client wants on the disk, before it asks for URLs. */
export const BringOnlineRequest = struct({
  arrayOfFileRequests: FileRequests,
  userRequestDescription: one(string(1_024)).optional(),
  desiredFileStorageType: one(FileStorageType).optional(),
  /** seconds */
  desiredTotalRequestTime: one(INT).optional(),
  /** seconds that the files are to stay there */
  desiredLifeTime: one(INT).optional(),
  transferParameters: one(TransferParameters).optional(),
  /** seconds */
  deferredStartTime: one(INT).optional(),
})
export type BringOnlineRequest = z.output<typeof BringOnlineRequest>

/** TBringOnlineRequestFileStatus */
export const OnlineFileStatus = struct({
  sourceSURL: one(SURL),
  status: one(ReturnStatus),
  fileSize: one(UNSIGNED).optional(),
  /** seconds */
  estimatedWaitTime: one(INT).optional(),
  /** seconds */
  remainingPinTime: one(INT).optional(),
})
export type OnlineFileStatus = z.output<typeof OnlineFileStatus>

const files = {
  arrayOfFileStatuses: listOf('statusArray', OnlineFileStatus).optional(),
  /** seconds */
  remainingTotalRequestTime: one(INT).optional(),
  /** seconds */
  remainingDeferredStartTime: one(INT).optional(),
}

export const BringOnlineReply = struct({
  returnStatus: one(ReturnStatus),
  requestToken: one(TOKEN).optional(),
  ...files,
})
export type BringOnlineReply = z.output<typeof BringOnlineReply>

export const StatusOfBringOnlineReply = struct({ returnStatus: one(ReturnStatus), ...files })
export type StatusOfBringOnlineReply = z.output<typeof StatusOfBringOnlineReply>
