import type { OnlineFileStatus } from '@mdm/core/wire/srm/bringing-online'
import type { RequestedFile } from '../requests/requests.ts'
import { getFileStatus } from './file-status.ts'
import { SUCCESS, type Handler } from './operation.ts'
import { openGet, statusOfGet } from './prepare-to-get.ts'

/**
 * How long a file stays where the client does not say, seconds. ARC asks for a URL, which is a pin of its own, as soon as it hears
 * that the file is there, and never lets go of this one.
 */
const STAYS_SECONDS = 600

/**
 * srmBringOnline: srmPrepareToGet without URLs, for clients that want a file on the disk before they ask for one. Over which
 * protocols they could fetch is passed over.
 *
 * @see SRM v2.2 section 5.3
 */
export const bringOnline: Handler<'srmBringOnline'> = async (call) => {
  const { desiredLifeTime: seconds } = call.request
  return await openGet(call, seconds === undefined || seconds <= 0 ? STAYS_SECONDS : seconds, onlineStatus)
}

/** srmStatusOfBringOnlineRequest: of all files, or of those named. @see SRM v2.2 section 5.4 */
export const statusOfBringOnline: Handler<'srmStatusOfBringOnlineRequest'> = async (call) =>
  await statusOfGet(call, onlineStatus)

/** As of a get, but for the URL, and what is there is a success. */
function onlineStatus(file: RequestedFile, now: Date): OnlineFileStatus {
  const { transferURL: _, ...others } = getFileStatus(file, now)
  return file.state === 'READY' ? { ...others, status: SUCCESS } : others
}
