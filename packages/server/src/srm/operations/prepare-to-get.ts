import type { PreparationRequest } from '../requests/requests.ts'
import { PROTOCOL } from './discovery.ts'
import { eachOf, getFileStatus, statusOfRequest } from './file-status.ts'
import { placeOfSurl, type Call, type Handler } from './operation.ts'
import { ofRequest } from './unknown-request.ts'

/** The longest pin that is asked for, seconds; the site has its own limit below. */
const MAX_PIN_SECONDS = 30 * 86_400

/**
 * srmPrepareToGet: what lies in the spool is pinned at once, what does not is queued while its source is read. A client that can
 * fetch over https only in another way is told so before any source is asked.
 *
 * @see SRM v2.2 section 5.1
 */
export const prepareToGet: Handler<'srmPrepareToGet'> = async (call) => {
  const protocols = call.request.transferParameters?.arrayOfTransferProtocols ?? []
  if (protocols.length > 0 && !protocols.some((name) => name.toLowerCase() === PROTOCOL))
    return { returnStatus: { statusCode: 'SRM_NOT_SUPPORTED', explanation: 'transfers are by https' } }
  const opened = await openGet(call, call.request.desiredPinLifeTime)
  return {
    returnStatus: statusOfRequest(opened.files),
    requestToken: opened.token,
    arrayOfFileStatuses: opened.files.map((file) => getFileStatus(file, call.now())),
  }
}

/** srmStatusOfGetRequest: of all files, or of those named. @see SRM v2.2 section 5.2 */
export const statusOfGetRequest: Handler<'srmStatusOfGetRequest'> = async ({
  request,
  caller,
  requests,
  now,
}) => {
  const { files } = await ofRequest(requests.find(caller, 'get', request.requestToken))
  return {
    returnStatus: statusOfRequest(files),
    arrayOfFileStatuses: eachOf(files, request.arrayOfSourceSURLs, (file) => getFileStatus(file, now())),
  }
}

/**
 * Opens a request for the files of a message.
 *
 * @param pinSeconds what the client asks for; the site's own where it is absent or none
 * @throws what `Requests.open` throws
 */
export async function openGet(
  { request, caller, requests, requestId, signal }: Call<'srmPrepareToGet' | 'srmBringOnline'>,
  pinSeconds: number | undefined,
): Promise<PreparationRequest> {
  const files = request.arrayOfFileRequests.map(({ sourceSURL }) => {
    const place = placeOfSurl(sourceSURL)
    return { surl: sourceSURL, name: place?.kind === 'volume' ? place.name : undefined }
  })
  return await requests.open(caller, {
    ...{ kind: 'get', files, requestId, signal },
    ...(pinSeconds === undefined || pinSeconds <= 0
      ? {}
      : { pinSeconds: Math.min(pinSeconds, MAX_PIN_SECONDS) }),
  })
}
