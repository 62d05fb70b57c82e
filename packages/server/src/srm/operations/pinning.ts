import type { SurlStatus } from '@mdm/core/wire/srm/pinning'
import { refusal, type ReturnStatus } from '@mdm/core/wire/srm/status'
import type { FileState, RequestedFile } from '../requests/requests.ts'
import { fileNamed, pinSecondsOf, statusOfFile } from './file-status.ts'
import { statusOfAll, SUCCESS, type Handler } from './operation.ts'
import { ofRequest } from './unknown-request.ts'

const NOT_SUPPORTED: ReturnStatus = { statusCode: 'SRM_NOT_SUPPORTED' }

/** srmReleaseFiles: a request as a whole, or the SURLs of it that are named. @see SRM v2.2 section 5.8 */
export const releaseFiles: Handler<'srmReleaseFiles'> = async ({ request, caller, requests }) => {
  const { requestToken, arrayOfSURLs: surls = [] } = request
  // Without a token it would mean every request of the caller.
  if (requestToken === undefined) return { returnStatus: NOT_SUPPORTED }
  const named = surls.length === 0 ? undefined : surls
  const { files } = await ofRequest(requests.release(caller, 'get', requestToken, named))
  return named === undefined ? { returnStatus: SUCCESS } : told(files, named)
}

/** srmAbortRequest. @see SRM v2.2 section 5.10 */
export const abortRequest: Handler<'srmAbortRequest'> = async ({ request, caller, requests }) => {
  await ofRequest(requests.abort(caller, 'get', request.requestToken))
  return { returnStatus: SUCCESS }
}

/** srmAbortFiles. @see SRM v2.2 section 5.11 */
export const abortFiles: Handler<'srmAbortFiles'> = async ({ request, caller, requests }) => {
  const { requestToken, arrayOfSURLs: surls } = request
  const { files } = await ofRequest(requests.abort(caller, 'get', requestToken, surls))
  return told(files, surls)
}

/**
 * srmExtendFileLifeTime: of pins. How long a file exists is for the site to say.
 *
 * @see SRM v2.2 section 5.14
 */
export const extendFileLifeTime: Handler<'srmExtendFileLifeTime'> = async ({
  request,
  caller,
  requests,
  now,
}) => {
  const { requestToken, newPinLifeTime: seconds, arrayOfSURLs: surls } = request
  if (requestToken === undefined || seconds === undefined || seconds <= 0)
    return {
      returnStatus: request.newFileLifeTime === undefined ? refusal('MDM_BAD_REQUEST') : NOT_SUPPORTED,
    }
  const { files } = await ofRequest(requests.extend(caller, 'get', requestToken, { seconds, surls }))
  const statuses = surls.map((surl) => {
    const file = fileNamed(files, surl)
    const pin = file && pinSecondsOf(file, now())
    return { surl, status: outcomeOf(file, ['READY']), ...(pin === undefined ? {} : { pinLifetime: pin }) }
  })
  return { returnStatus: statusOfAll(statuses.map(({ status }) => status)), arrayOfFileStatuses: statuses }
}

/** What is pinned is RELEASED, what waits is ABORTED, by either operation. */
function told(files: readonly RequestedFile[], surls: readonly string[]) {
  const statuses: SurlStatus[] = surls.map((surl) => ({
    surl,
    status: outcomeOf(fileNamed(files, surl), ['RELEASED', 'ABORTED']),
  }))
  return { returnStatus: statusOfAll(statuses.map(({ status }) => status)), arrayOfFileStatuses: statuses }
}

function outcomeOf(file: RequestedFile | undefined, wanted: readonly FileState[]): ReturnStatus {
  if (file === undefined) return refusal('MDM_NOT_FOUND')
  return wanted.includes(file.state) ? SUCCESS : statusOfFile(file)
}
