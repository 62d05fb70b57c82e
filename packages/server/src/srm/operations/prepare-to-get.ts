import { refusal } from '@mdm/core/wire/srm/status'
import { PROTOCOL } from './discovery.ts'
import { getFileStatus, statusOfRequest } from './file-status.ts'
import { placeOfSurl, type Handler } from './operation.ts'
import { fileFinder } from '../requests/names.ts'
import { ofRequest } from './unknown-request.ts'

/** The longest pin that is asked for, seconds; the site has its own limit below. */
const MAX_PIN_SECONDS = 30 * 86_400

/**
 * srmPrepareToGet: what lies in the spool is pinned at once, what does not is queued while its source is read. A client that can
 * fetch over https only in another way is told so before any source is asked.
 *
 * @see SRM v2.2 section 5.1
 */
export const prepareToGet: Handler<'srmPrepareToGet'> = async ({
  request,
  caller,
  requests,
  requestId,
  signal,
  now,
}) => {
  const protocols = request.transferParameters?.arrayOfTransferProtocols ?? []
  if (protocols.length > 0 && !protocols.some((name) => name.toLowerCase() === PROTOCOL))
    return { returnStatus: { statusCode: 'SRM_NOT_SUPPORTED', explanation: 'transfers are by https' } }
  const files = request.arrayOfFileRequests.map(({ sourceSURL }) => {
    const place = placeOfSurl(sourceSURL)
    return { surl: sourceSURL, name: place?.kind === 'volume' ? place.name : undefined }
  })
  const pin = request.desiredPinLifeTime
  const opened = await requests.open(caller, {
    ...{ kind: 'get', files, requestId, signal },
    ...(pin === undefined || pin <= 0 ? {} : { pinSeconds: Math.min(pin, MAX_PIN_SECONDS) }),
  })
  return {
    returnStatus: statusOfRequest(opened.files),
    requestToken: opened.token,
    arrayOfFileStatuses: opened.files.map((file) => getFileStatus(file, now())),
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
  const named = request.arrayOfSourceSURLs ?? []
  const fileNamed = fileFinder(named.length === 0 ? [] : files)
  return {
    returnStatus: statusOfRequest(files),
    arrayOfFileStatuses:
      named.length === 0
        ? files.map((file) => getFileStatus(file, now()))
        : named.map((surl) => {
            const file = fileNamed(surl)
            return file === undefined
              ? { sourceSURL: surl, status: refusal('MDM_NOT_FOUND') }
              : { ...getFileStatus(file, now()), sourceSURL: surl }
          }),
  }
}
