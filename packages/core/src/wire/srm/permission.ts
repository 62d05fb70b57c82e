import type { z } from 'zod'
import { PermissionMode } from './listing.ts'
import { ReturnStatus } from './status.ts'
import { listOf, maybe, one, someOf, struct, SURL } from './values.ts'

export const CheckPermissionRequest = struct({ arrayOfSURLs: someOf('urlArray', SURL) })
export type CheckPermissionRequest = z.output<typeof CheckPermissionRequest>

/** TSURLPermissionReturn */
export const CheckPermissionReply = struct({
  returnStatus: one(ReturnStatus),
  arrayOfPermissions: listOf(
    'surlPermissionArray',
    struct({ surl: one(SURL), status: one(ReturnStatus), permission: maybe(PermissionMode) }),
  ).optional(),
})
export type CheckPermissionReply = z.output<typeof CheckPermissionReply>
