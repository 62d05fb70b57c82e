import type { z } from 'zod'
import { ReturnStatus } from './status.ts'
import { INT, listOf, maybe, one, someOf, struct, SURL, TOKEN } from './values.ts'

/** TSURLReturnStatus */
export const SurlStatus = struct({ surl: one(SURL), status: one(ReturnStatus) })
export type SurlStatus = z.output<typeof SurlStatus>

/** What becomes of each SURL that was named. */
export const SurlsReply = struct({
  returnStatus: one(ReturnStatus),
  arrayOfFileStatuses: listOf('statusArray', SurlStatus).optional(),
})
export type SurlsReply = z.output<typeof SurlsReply>

/** ARC names the request alone, gfal2 its SURLs too; the specification also allows SURLs of any request. */
export const ReleaseFilesRequest = struct({
  requestToken: one(TOKEN).optional(),
  arrayOfSURLs: listOf('urlArray', SURL).optional(),
})
export type ReleaseFilesRequest = z.output<typeof ReleaseFilesRequest>

export const AbortRequest = struct({ requestToken: one(TOKEN) })
export type AbortRequest = z.output<typeof AbortRequest>
export const AbortReply = struct({ returnStatus: one(ReturnStatus) })
export type AbortReply = z.output<typeof AbortReply>

export const AbortFilesRequest = struct({
  requestToken: one(TOKEN),
  arrayOfSURLs: someOf('urlArray', SURL),
})
export type AbortFilesRequest = z.output<typeof AbortFilesRequest>

export const ExtendRequest = struct({
  requestToken: one(TOKEN).optional(),
  arrayOfSURLs: someOf('urlArray', SURL),
  /** seconds */
  newFileLifeTime: one(INT).optional(),
  /** seconds */
  newPinLifeTime: one(INT).optional(),
})
export type ExtendRequest = z.output<typeof ExtendRequest>

/** TSURLLifetimeReturnStatus */
export const ExtendReply = struct({
  returnStatus: one(ReturnStatus),
  arrayOfFileStatuses: listOf(
    'statusArray',
    struct({
      surl: one(SURL),
      status: one(ReturnStatus),
      /** seconds; -1 for ever */
      fileLifetime: maybe(INT),
      /** seconds */
      pinLifetime: maybe(INT),
    }),
  ).optional(),
})
export type ExtendReply = z.output<typeof ExtendReply>
