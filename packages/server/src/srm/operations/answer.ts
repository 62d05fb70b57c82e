import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { SoapFault, writeFault } from '@mdm/core/wire/srm/envelope'
import { parseRequest, writeRefusal, writeResponse, type Operation } from '@mdm/core/wire/srm/messages'
import { refusal, type ReturnStatus } from '@mdm/core/wire/srm/status'
import type { Place } from '../namespace.ts'
import { bringOnline, statusOfBringOnline } from './bring-online.ts'
import { checkPermission } from './check-permission.ts'
import { getTransferProtocols, ping } from './discovery.ts'
import { ls } from './ls.ts'
import type { Call, Handler, Services } from './operation.ts'
import { abortFiles, abortRequest, extendFileLifeTime, releaseFiles } from './pinning.ts'
import { prepareToGet, statusOfGetRequest } from './prepare-to-get.ts'

/** Every operation that is served; parseRequest knows the others by name. */
const HANDLERS: { readonly [O in Operation]: Handler<O> } = {
  srmPing: ping,
  srmGetTransferProtocols: getTransferProtocols,
  srmLs: ls,
  srmPrepareToGet: prepareToGet,
  srmStatusOfGetRequest: statusOfGetRequest,
  srmBringOnline: bringOnline,
  srmStatusOfBringOnlineRequest: statusOfBringOnline,
  srmReleaseFiles: releaseFiles,
  srmAbortRequest: abortRequest,
  srmAbortFiles: abortFiles,
  srmExtendFileLifeTime: extendFileLifeTime,
  srmCheckPermission: checkPermission,
}

/** What is said of an operation that is not begun. */
const REFUSED: Record<'SRM_NOT_SUPPORTED' | 'SRM_INVALID_REQUEST', ReturnStatus> = {
  SRM_INVALID_REQUEST: refusal('MDM_BAD_REQUEST'),
  SRM_NOT_SUPPORTED: {
    statusCode: 'SRM_NOT_SUPPORTED',
    explanation:
      'files are read by srmPrepareToGet here and staged by it or over https (gfal-bringonline https://...), and nothing is written',
  },
}

export interface Answer {
  readonly text: string
  /** the first file that was refused within it */
  readonly refused?: { readonly code: ErrorCode; readonly place: Place | undefined }
}

/**
 * Answers a caller's message as far as SRM itself can say what comes of it.
 *
 * @throws MDM_BAD_REQUEST for what is no message of SRM v2.2; what the whole of a request is refused for
 */
export async function answer(
  bytes: Uint8Array,
  o: Services & { readonly caller: Caller; readonly requestId: string; readonly signal: AbortSignal },
): Promise<Answer> {
  const received = parseRequest(bytes)
  // A fault: the reply to srmPing has no status.
  if ('refused' in received && received.operation === 'srmPing') throw new MdmError('MDM_BAD_REQUEST')
  if ('refused' in received) return { text: writeRefusal(received.operation, REFUSED[received.refused]) }
  const { operation, request } = received
  let refused: Answer['refused']
  const call = {
    ...{ ...o, request },
    refused: (code: ErrorCode, place?: Place) => void (refused ??= { code, place }),
  }
  // The request is that operation's own, which the type of a table of functions cannot say.
  const reply = await (HANDLERS[operation] as Handler<'srmLs'>)(call as Call<'srmLs'>)
  const text = writeResponse(operation as 'srmLs', reply)
  return { text, ...(refused === undefined ? {} : { refused }) }
}

/**
 * The answer to a message that is refused as a whole: in the response of its operation, with the status of HTTP that says that
 * there is one. As a fault where the operation has no status to say it in, or nobody knows which it is.
 *
 * @param body what came of the message; not bytes where it was refused before it was read
 * @see SOAP 1.1 section 6.2; the status of what is no SOAP is HTTP's own
 */
export function refuseMessage(error: MdmError, body: unknown): { status: number; text: string } {
  const operation = operationOf(body)
  if (operation !== undefined && operation !== 'srmPing')
    return { status: 200, text: writeRefusal(operation, refusal(error.code)) }
  if (error instanceof SoapFault) return { status: 500, text: writeFault(error.faultCode, error.code) }
  return { status: error.status, text: writeFault(error.status < 500 ? 'Client' : 'Server', error.code) }
}

function operationOf(body: unknown): string | undefined {
  try {
    return body instanceof Uint8Array ? parseRequest(body).operation : undefined
  } catch {
    return undefined
  }
}
