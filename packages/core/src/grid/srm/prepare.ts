import { setTimeout as sleep } from 'node:timers/promises'
import { MdmError } from '../../errors.ts'
import type { Timing } from '../../timing.ts'
import type { GetFileStatus } from '../../wire/srm/getting.ts'
import type { ReturnStatus, SrmStatus } from '../../wire/srm/status.ts'
import { refusalOf, type SrmService } from './service.ts'

/** A file that is ready and pinned. */
export interface PreparedFile {
  /** where it is fetched from, of https */
  readonly turl: URL
  /** as the service says; a transfer of another length is refused */
  readonly bytes?: number
}

export interface PrepareOptions {
  readonly signal?: AbortSignal | undefined
  readonly timing?: Timing | undefined
  /** how long the service may take until the file is ready; one hour unless told */
  readonly timeoutMs?: number | undefined
  /** how waiting is done; by the clock unless told */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

const TIMEOUT_MS = 3_600_000
const SHORTEST_WAIT_S = 1
const LONGEST_WAIT_S = 15
/** Failures of the service itself, one after the other, before it is given up. */
const MAX_FAULTS = 5
/** What a service may take to be told that nothing more is wanted. */
const FAREWELL_MS = 5_000

const PENDING: readonly SrmStatus[] = [
  'SRM_REQUEST_QUEUED',
  'SRM_REQUEST_INPROGRESS',
  'SRM_REQUEST_SUSPENDED',
]
const READY: readonly SrmStatus[] = ['SRM_FILE_PINNED', 'SRM_SUCCESS']
/** Of a request whose file may still come. */
const UNENDED: readonly SrmStatus[] = [...PENDING, 'SRM_SUCCESS', 'SRM_PARTIAL_SUCCESS', 'SRM_INTERNAL_ERROR']

/** What a reply says of the one file that was asked for. */
type Answer =
  | { readonly kind: 'ready'; readonly file: PreparedFile }
  | { readonly kind: 'pending'; readonly seconds: number | undefined }
  /** SRM_INTERNAL_ERROR: it may pass. `over`: of the file, so that this request has come to its end */
  | { readonly kind: 'fault'; readonly error: MdmError; readonly over: boolean }

/** What a service must be told of in the end. */
interface OpenRequest {
  token?: string
  ready: boolean
}

/**
 * Has a storage service prepare a file (srmPrepareToGet), waits until it is ready (srmStatusOfGetRequest), and lets go of it when
 * `use` has ended, whatever came of it (srmReleaseFiles; srmAbortRequest for what is not ready).
 *
 * The wait the service estimates is kept, from 1 to 15 s; without an estimate it doubles. A service that fails in itself is asked
 * again, at most five times in a row.
 *
 * @throws MDM_NOT_FOUND | MDM_DENIED and what else a refusal means; MDM_SOURCE_UNREACHABLE when it takes too long, MDM_UNREACHABLE
 * @see SRM v2.2 (GFD.129) sections 5.1 to 5.3, 5.9, 5.11
 */
export async function withPrepared<T>(
  service: SrmService,
  surl: string,
  o: PrepareOptions,
  use: (file: PreparedFile) => Promise<T>,
): Promise<T> {
  const request: OpenRequest = { ready: false }
  try {
    return await use(await untilReady(service, surl, o, request))
  } finally {
    await letGo(service, surl, request)
  }
}

async function untilReady(
  service: SrmService,
  surl: string,
  o: PrepareOptions,
  request: OpenRequest,
): Promise<PreparedFile> {
  const timeoutMs = o.timeoutMs ?? TIMEOUT_MS
  const late = AbortSignal.timeout(timeoutMs)
  const signal = o.signal === undefined ? late : AbortSignal.any([o.signal, late])
  let ended = o.timing?.start('srm-prepare')
  try {
    let faults = 0
    let waits = 0
    for (;;) {
      const answer = await ask(service, surl, { request, timeoutMs, signal })
      ended?.()
      if (answer.kind === 'ready') return answer.file
      if (answer.kind === 'fault') {
        if (++faults >= MAX_FAULTS) throw answer.error
        if (answer.over) await letGo(service, surl, request)
      } else faults = 0
      const estimate = answer.kind === 'pending' ? answer.seconds : undefined
      const seconds = Math.min(Math.max(estimate ?? 2 ** waits++, SHORTEST_WAIT_S), LONGEST_WAIT_S)
      ended = o.timing?.start('srm-wait')
      await (o.wait ?? pause)(seconds * 1_000, signal)
      signal.throwIfAborted()
    }
  } catch (error) {
    if (!late.aborted || o.signal?.aborted === true) throw error
    const message = `the storage service has not prepared the file within ${Math.round(timeoutMs / 1_000)} s`
    throw new MdmError('MDM_SOURCE_UNREACHABLE', message, { cause: error })
  } finally {
    ended?.()
  }
}

/** Asks for the file, or how far it is. A question that got lost on its way is a fault that may pass, but for the first. */
async function ask(
  service: SrmService,
  surl: string,
  o: { request: OpenRequest; timeoutMs: number; signal: AbortSignal },
): Promise<Answer> {
  const { request, signal } = o
  const { token } = request
  if (token === undefined) {
    const reply = await service.call(
      'srmPrepareToGet',
      {
        arrayOfFileRequests: [{ sourceSURL: surl }],
        desiredTotalRequestTime: Math.ceil(o.timeoutMs / 1_000),
        transferParameters: { arrayOfTransferProtocols: ['https', 'davs'] },
      },
      signal,
    )
    if (reply.requestToken !== undefined) request.token = reply.requestToken
    return understood(reply.returnStatus, reply.arrayOfFileStatuses?.[0], request)
  }
  try {
    const reply = await service.call(
      'srmStatusOfGetRequest',
      { requestToken: token, arrayOfSourceSURLs: [surl] },
      signal,
    )
    return understood(reply.returnStatus, reply.arrayOfFileStatuses?.[0], request)
  } catch (error) {
    if (signal.aborted || !(error instanceof MdmError) || error.code !== 'MDM_UNREACHABLE') throw error
    return { kind: 'fault', error, over: false }
  }
}

/** The status of the file counts before that of the request (GFD.129 section 5.1.3). @throws what a refusal means */
function understood(returned: ReturnStatus, file: GetFileStatus | undefined, request: OpenRequest): Answer {
  const status = file?.status ?? returned
  const { statusCode } = status
  if (file?.transferURL !== undefined && READY.includes(statusCode)) {
    request.ready = true
    const { fileSize: bytes } = file
    return {
      kind: 'ready',
      file: { turl: turlOf(file.transferURL), ...(bytes === undefined ? {} : { bytes }) },
    }
  }
  // A request that has ended has, whatever it still says of its file.
  if (PENDING.includes(statusCode) && !UNENDED.includes(returned.statusCode)) throw refusalOf(returned)
  if (PENDING.includes(statusCode) && request.token !== undefined)
    return { kind: 'pending', seconds: waitOf(file) }
  if (statusCode === 'SRM_INTERNAL_ERROR')
    return { kind: 'fault', error: refusalOf(status), over: file !== undefined }
  if (PENDING.includes(statusCode) || READY.includes(statusCode))
    throw new MdmError(
      'MDM_BAD_REQUEST',
      'the storage service says neither where the file is nor what to wait for',
    )
  throw refusalOf(status)
}

/** Seconds that the service estimates; StoRM says -1 where it does not know, DPM nothing. */
function waitOf(file: GetFileStatus | undefined): number | undefined {
  const seconds = file?.estimatedWaitTime
  return seconds === undefined || seconds < 0 ? undefined : seconds
}

/** `davs` is https by another name. @throws MDM_BAD_REQUEST: what the file goes over must be https, and hold no password */
function turlOf(turl: string): URL {
  const text = turl.replace(/^davs:/i, 'https:')
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
    throw new MdmError('MDM_BAD_REQUEST', 'the storage service offers no transfer over https')
  return url
}

/** Says that nothing more is wanted, also when the user stopped the command; a service that does not hear it forgets by itself. */
async function letGo(service: SrmService, surl: string, request: OpenRequest): Promise<void> {
  const { token: requestToken, ready } = request
  if (requestToken === undefined) return
  delete request.token
  request.ready = false
  const signal = AbortSignal.timeout(FAREWELL_MS)
  const said = ready
    ? service.call('srmReleaseFiles', { requestToken, arrayOfSURLs: [surl] }, signal)
    : service.call('srmAbortRequest', { requestToken }, signal)
  await said.catch(() => undefined)
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
