import type { GetFileStatus } from '@mdm/core/wire/srm/getting'
import { refusal, type ReturnStatus } from '@mdm/core/wire/srm/status'
import type { RequestedFile } from '../requests/requests.ts'
import { fileFinder } from '../requests/names.ts'
import { SUCCESS } from './operation.ts'

/** What SRM calls the state of a file. */
export function statusOfFile({ state, code }: Pick<RequestedFile, 'state' | 'code'>): ReturnStatus {
  if (state === 'FAILED') return refusal(code ?? 'MDM_INTERNAL')
  return { statusCode: STATUS[state] }
}

const STATUS = {
  QUEUED: 'SRM_REQUEST_QUEUED',
  IN_PROGRESS: 'SRM_REQUEST_INPROGRESS',
  READY: 'SRM_FILE_PINNED',
  RELEASED: 'SRM_RELEASED',
  ABORTED: 'SRM_ABORTED',
  EXPIRED: 'SRM_FILE_LIFETIME_EXPIRED',
} as const

/** The state of a whole request, which tells clients whether to ask again (SRM v2.2 section 5.1.3). */
export function statusOfRequest(files: readonly RequestedFile[]): ReturnStatus {
  const states = files.map(({ state }) => state)
  const all = (...some: RequestedFile['state'][]) => states.every((state) => some.includes(state))
  if (states.includes('IN_PROGRESS')) return { statusCode: 'SRM_REQUEST_INPROGRESS' }
  if (states.includes('QUEUED'))
    return { statusCode: all('QUEUED') ? 'SRM_REQUEST_QUEUED' : 'SRM_REQUEST_INPROGRESS' }
  if (all('READY', 'RELEASED')) return SUCCESS
  if (all('ABORTED')) return { statusCode: 'SRM_ABORTED' }
  return { statusCode: states.some((state) => state === 'READY') ? 'SRM_PARTIAL_SUCCESS' : 'SRM_FAILURE' }
}

/** One file as srmPrepareToGet and srmStatusOfGetRequest tell of it. */
export function getFileStatus(file: RequestedFile, now: Date): GetFileStatus {
  const { surl, bytes, turl, waitSeconds } = file
  const pin = pinSecondsOf(file, now)
  return {
    sourceSURL: surl,
    ...(bytes === undefined ? {} : { fileSize: bytes }),
    status: statusOfFile(file),
    ...(waitSeconds === undefined ? {} : { estimatedWaitTime: waitSeconds }),
    ...(pin === undefined ? {} : { remainingPinTime: pin }),
    ...(file.state !== 'READY' || turl === undefined ? {} : { transferURL: turl }),
  }
}

/** Seconds that a pin still lasts; undefined where there is none. */
export function pinSecondsOf({ state, pinnedUntil }: RequestedFile, now: Date): number | undefined {
  if (state !== 'READY' || pinnedUntil === undefined) return undefined
  return Math.max(0, Math.floor((pinnedUntil.getTime() - now.getTime()) / 1000))
}

/** What is said of each file of a request, or of those named, in their order and as they were named. */
export function eachOf<T extends object>(
  files: readonly RequestedFile[],
  surls: readonly string[] | undefined,
  tell: (file: RequestedFile) => T,
): (T | (T & { sourceSURL: string }) | { sourceSURL: string; status: ReturnStatus })[] {
  if (surls === undefined || surls.length === 0) return files.map(tell)
  const fileNamed = fileFinder(files)
  return surls.map((surl) => {
    const file = fileNamed(surl)
    return file === undefined
      ? { sourceSURL: surl, status: refusal('MDM_NOT_FOUND') }
      : { ...tell(file), sourceSURL: surl }
  })
}
