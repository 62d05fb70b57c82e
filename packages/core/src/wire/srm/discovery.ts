import type { z } from 'zod'
import { ReturnStatus } from './status.ts'
import { listOf, maybe, one, string, struct } from './values.ts'

/** What a client asks before all else: who answers, and what transfers go over. */
export const PingRequest = struct({})
export const PingReply = struct({
  versionInfo: one(string(256)),
  otherInfo: listOf(
    'extraInfoArray',
    struct({ key: one(string(256)), value: maybe(string(1024)) }),
  ).optional(),
})
export type PingReply = z.output<typeof PingReply>

export const TransferProtocolsRequest = struct({})
export const TransferProtocolsReply = struct({
  returnStatus: one(ReturnStatus),
  protocolInfo: listOf('protocolArray', struct({ transferProtocol: one(string(64)) })).optional(),
})
export type TransferProtocolsReply = z.output<typeof TransferProtocolsReply>
