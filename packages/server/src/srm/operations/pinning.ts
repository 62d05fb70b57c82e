import type { SurlStatus } from '@mdm/core/wire/srm/pinning'
import { refusal, type ReturnStatus } from '@mdm/core/wire/srm/status'
import type { FileState, RequestedFile } from '../requests/requests.ts'
import { fileFinder } from '../requests/names.ts'
import { pinSecondsOf, statusOfFile } from './file-status.ts'
import { statusOfAll, SUCCESS, type Handler } from './operation.ts'
import { ofRequest } from './unknown-request.ts'

const NOT_SUPPORTED: ReturnStatus = { statusCode: 'SRM_NOT_SUPPORTED' }

/**
 * srmReleaseFiles: a request as a whole, or the SURLs of it that are named. Without a token: what is pinned under these SURLs in
 * every request of the caller.
 *
 * @see SRM v2.2 section 5.8
 */
export const releaseFiles: Handler<'srmReleaseFiles'> = async ({ request, caller, requests }) => {
  const { requestToken, arrayOfSURLs: surls = [] } = request
  if (requestToken === undefined) return outcomes(surls, await requests.releaseNamed(caller, 'get', surls))
  const named = surls.length === 0 ? undefined : surls
  const { files } = await ofRequest(requests.release(caller, 'get', requestToken, named))
  return named === undefined ? { returnStatus: SUCCESS } : outcomes(named, named.map(fileFinder(files)))
}

/** srmAbortRequest: what is pinned is released, what waits is aborted, as by the other operations. @see SRM v2.2 section 5.10 */
export const abortRequest: Handler<'srmAbortRequest'> = async ({ request, caller, requests }) => {
  await ofRequest(requests.release(caller, 'get', request.requestToken))
  return { returnStatus: SUCCESS }
}

/** srmAbortFiles. @see SRM v2.2 section 5.11 */
export const abortFiles: Handler<'srmAbortFiles'> = async ({ request, caller, requests }) => {
  const { requestToken, arrayOfSURLs: surls } = request
  const { files } = await ofRequest(requests.release(caller, 'get', requestToken, surls))
  return outcomes(surls, surls.map(fileFinder(files)))
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
  const fileNamed = fileFinder(files)
  const statuses = surls.map((surl) => {
    const file = fileNamed(surl)
    const pin = file && pinSecondsOf(file, now())
    return { surl, status: outcomeOf(file, ['READY']), ...(pin === undefined ? {} : { pinLifetime: pin }) }
  })
  return { returnStatus: statusOfAll(statuses.map(({ status }) => status)), arrayOfFileStatuses: statuses }
}

/** What is pinned is RELEASED, what waits is ABORTED, by either operation. */
function outcomes(surls: readonly string[], files: readonly (Ended | undefined)[]) {
  const statuses: SurlStatus[] = surls.map((surl, i) => ({
    surl,
    status: outcomeOf(files[i], ['RELEASED', 'ABORTED']),
  }))
  return { returnStatus: statusOfAll(statuses.map(({ status }) => status)), arrayOfFileStatuses: statuses }
}

type Ended = Pick<RequestedFile, 'state' | 'code'>

function outcomeOf(file: Ended | undefined, wanted: readonly FileState[]): ReturnStatus {
  if (file === undefined) return refusal('MDM_NOT_FOUND')
  return wanted.includes(file.state) ? SUCCESS : statusOfFile(file)
}
