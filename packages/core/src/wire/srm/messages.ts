import { z } from 'zod'
import { MdmError } from '../../errors.ts'
import { BringOnlineReply, BringOnlineRequest, StatusOfBringOnlineReply } from './bringing-online.ts'
import { PingReply, PingRequest, TransferProtocolsReply, TransferProtocolsRequest } from './discovery.ts'
import { readEnvelope, SoapFault, writeEnvelope } from './envelope.ts'
import { PrepareToGetReply, PrepareToGetRequest, StatusOfGetReply, StatusOfGetRequest } from './getting.ts'
import { LsReply, LsRequest, StatusOfLsReply, StatusOfLsRequest } from './listing.ts'
import { CheckPermissionReply, CheckPermissionRequest } from './permission.ts'
import {
  AbortFilesRequest,
  AbortReply,
  AbortRequest,
  ExtendReply,
  ExtendRequest,
  ReleaseFilesRequest,
  SurlsReply,
} from './pinning.ts'
import { ReturnStatus } from './status.ts'
import { one, struct } from './values.ts'
import { REPLY_LIMITS } from './xml.ts'

/** The operations of SRM v2.2 that MDM speaks, as server and as client. */
export const MESSAGES = {
  srmPing: { request: PingRequest, reply: PingReply },
  srmGetTransferProtocols: { request: TransferProtocolsRequest, reply: TransferProtocolsReply },
  srmLs: { request: LsRequest, reply: LsReply },
  srmPrepareToGet: { request: PrepareToGetRequest, reply: PrepareToGetReply },
  srmStatusOfGetRequest: { request: StatusOfGetRequest, reply: StatusOfGetReply },
  srmBringOnline: { request: BringOnlineRequest, reply: BringOnlineReply },
  srmStatusOfBringOnlineRequest: { request: StatusOfGetRequest, reply: StatusOfBringOnlineReply },
  srmReleaseFiles: { request: ReleaseFilesRequest, reply: SurlsReply },
  srmAbortRequest: { request: AbortRequest, reply: AbortReply },
  srmAbortFiles: { request: AbortFilesRequest, reply: SurlsReply },
  srmExtendFileLifeTime: { request: ExtendRequest, reply: ExtendReply },
  srmCheckPermission: { request: CheckPermissionRequest, reply: CheckPermissionReply },
} as const

/** All others of the WSDL: writing, spaces, permissions, copies, and lists of requests. */
export const UNSUPPORTED = [
  ...['srmReserveSpace', 'srmStatusOfReserveSpaceRequest', 'srmReleaseSpace', 'srmUpdateSpace'],
  ...['srmStatusOfUpdateSpaceRequest', 'srmGetSpaceMetaData', 'srmGetSpaceTokens', 'srmPurgeFromSpace'],
  ...['srmChangeSpaceForFiles', 'srmStatusOfChangeSpaceForFilesRequest', 'srmExtendFileLifeTimeInSpace'],
  ...['srmSetPermission', 'srmGetPermission', 'srmMkdir', 'srmRmdir', 'srmRm', 'srmMv'],
  ...[
    'srmStatusOfLsRequest',
    'srmPrepareToPut',
    'srmStatusOfPutRequest',
    'srmPutDone',
    'srmCopy',
    'srmStatusOfCopyRequest',
  ],
  ...['srmSuspendRequest', 'srmResumeRequest', 'srmGetRequestSummary', 'srmGetRequestTokens'],
] as const

/** What is asked of services of others: also what MDM itself does not serve. */
export const ASKED = {
  ...MESSAGES,
  srmStatusOfLsRequest: { request: StatusOfLsRequest, reply: StatusOfLsReply },
} as const

export type Operation = keyof typeof MESSAGES
export type Asked = keyof typeof ASKED
export type RequestOf<O extends Asked> = z.output<(typeof ASKED)[O]['request']>
export type ReplyOf<O extends Asked> = z.output<(typeof ASKED)[O]['reply']>

/** A request as a server takes it: to be done, or one that its own response refuses. */
export type Received =
  | { [O in Operation]: { readonly operation: O; readonly request: RequestOf<O> } }[Operation]
  | { readonly operation: string; readonly refused: 'SRM_NOT_SUPPORTED' | 'SRM_INVALID_REQUEST' }

const Refusal = struct({ returnStatus: one(ReturnStatus) })

/** @throws MDM_BAD_REQUEST for what is no request of SRM v2.2, a SoapFault where it is XML */
export function parseRequest(bytes: Uint8Array): Received {
  const { name, fields } = readEnvelope(bytes)
  if (isOperation(name)) {
    const parsed = MESSAGES[name].request.safeParse(fields)
    if (!parsed.success) return { operation: name, refused: 'SRM_INVALID_REQUEST' }
    return { operation: name, request: parsed.data } as Received
  }
  if ((UNSUPPORTED as readonly string[]).includes(name))
    return { operation: name, refused: 'SRM_NOT_SUPPORTED' }
  throw new SoapFault('MDM_BAD_REQUEST', 'Client', 'SRM v2.2 has no such operation')
}

export function writeRequest<O extends Asked>(operation: O, request: RequestOf<O>): string {
  return writeEnvelope(operation, `${operation}Request`, encode(ASKED[operation].request, request))
}

/** The reply to an operation, in the response element of its own. */
export function writeResponse<O extends Operation>(operation: O, reply: ReplyOf<O>): string {
  return writeEnvelope(
    `${operation}Response`,
    `${operation}Response`,
    encode(MESSAGES[operation].reply, reply),
  )
}

/** A reply that is nothing but a refusal, of any operation of the WSDL but srmPing, whose reply has no status. */
export function writeRefusal(operation: string, returnStatus: ReturnStatus): string {
  return writeEnvelope(`${operation}Response`, `${operation}Response`, encode(Refusal, { returnStatus }))
}

/** @throws MDM_BAD_REQUEST where it is not such a reply; what a SOAP fault says */
export function parseResponse<O extends Asked>(operation: O, bytes: Uint8Array): ReplyOf<O> {
  const { name, fields } = readEnvelope(bytes, REPLY_LIMITS, { references: true })
  const parsed = ASKED[operation].reply.safeParse(fields)
  if (name !== `${operation}Response` || !parsed.success)
    throw new MdmError('MDM_BAD_REQUEST', `the storage element does not answer ${operation} as SRM v2.2 says`)
  return parsed.data as ReplyOf<O>
}

function isOperation(name: string): name is Operation {
  return Object.hasOwn(MESSAGES, name)
}

function encode(schema: z.ZodType, value: unknown): Parameters<typeof writeEnvelope>[2] {
  return z.encode(schema, value) as Parameters<typeof writeEnvelope>[2]
}
