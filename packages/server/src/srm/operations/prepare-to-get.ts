import type { RequestedFile } from '../requests/requests.ts'
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
  return await openGet(call, call.request.desiredPinLifeTime, getFileStatus)
}

/** srmStatusOfGetRequest: of all files, or of those named. @see SRM v2.2 section 5.2 */
export const statusOfGetRequest: Handler<'srmStatusOfGetRequest'> = async (call) =>
  await statusOfGet(call, getFileStatus)

/**
 * Opens a request for the files of a message.
 *
 * @param pinSeconds what the client asks for; the site's own where it is absent or none
 * @param tell what the reply says of a file
 * @throws what `Requests.open` throws
 */
export async function openGet<T extends object>(
  { request, caller, requests, requestId, signal, now }: Call<'srmPrepareToGet' | 'srmBringOnline'>,
  pinSeconds: number | undefined,
  tell: (file: RequestedFile, now: Date) => T,
) {
  const files = request.arrayOfFileRequests.map(({ sourceSURL }) => {
    const place = placeOfSurl(sourceSURL)
    return { surl: sourceSURL, name: place?.kind === 'volume' ? place.name : undefined }
  })
  const opened = await requests.open(caller, {
    ...{ kind: 'get', files, requestId, signal },
    ...(pinSeconds === undefined || pinSeconds <= 0
      ? {}
      : { pinSeconds: Math.min(pinSeconds, MAX_PIN_SECONDS) }),
  })
  return {
    returnStatus: statusOfRequest(opened.files),
    requestToken: opened.token,
    arrayOfFileStatuses: opened.files.map((file) => tell(file, now())),
  }
}

/** How a request stands: all its files, or those named. @param tell what the reply says of a file */
export async function statusOfGet<T extends object>(
  { request, caller, requests, now }: Call<'srmStatusOfGetRequest' | 'srmStatusOfBringOnlineRequest'>,
  tell: (file: RequestedFile, now: Date) => T,
) {
  const { files } = await ofRequest(requests.find(caller, 'get', request.requestToken))
  return {
    returnStatus: statusOfRequest(files),
    arrayOfFileStatuses: eachOf(files, request.arrayOfSourceSURLs, (file) => tell(file, now())),
  }
}
