import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS, MdmError } from '../../errors.ts'
import {
  parseResponse,
  writeRequest,
  type Asked,
  type ReplyOf,
  type RequestOf,
} from '../../wire/srm/messages.ts'
import { codeOf, printable, type ReturnStatus, type SrmStatus } from '../../wire/srm/status.ts'
import type { StorageConnections } from './connections.ts'
import { findService } from './find-service.ts'
import type { SrmEndpoint } from './srm-url.ts'

const LATER: readonly SrmStatus[] = ['SRM_REQUEST_QUEUED', 'SRM_REQUEST_INPROGRESS']
/** Half a minute in all. */
const LIST_WAITS_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000]

/** What a service says of a file before it is asked for. */
export interface StoredStat {
  readonly bytes: number
  /** 8 hex digits, where the service knows it */
  readonly adler32?: string
}

/** One SRM v2.2 service (GFD.129), of MDM or of anybody else. */
export class SrmService {
  readonly endpoint: SrmEndpoint
  readonly #connections: StorageConnections
  #found: URL | undefined

  constructor(endpoint: SrmEndpoint, connections: StorageConnections) {
    this.endpoint = endpoint
    this.#connections = connections
  }

  /**
   * Calls an operation. What its status means is the caller's matter.
   *
   * @throws MDM_UNREACHABLE | MDM_PEER | MDM_DENIED | MDM_BAD_REQUEST (no reply of SRM v2.2); what a SOAP fault says
   */
  async call<O extends Asked>(
    operation: O,
    request: RequestOf<O>,
    signal?: AbortSignal | undefined,
  ): Promise<ReplyOf<O>> {
    const message = writeRequest(operation, request)
    const { status, text } = await this.#connections.post(await this.#url(signal), message, signal)
    // A SOAP fault is sent with status 500 (SOAP 1.1 section 6.2).
    if (status === 401 || status === 403)
      throw new MdmError('MDM_DENIED', 'the storage service does not let you in')
    if (status !== 200 && status !== 500)
      throw new MdmError('MDM_UNREACHABLE', `the storage service answered with status ${status}`)
    return parseResponse(operation, Buffer.from(text))
  }

  async #url(signal: AbortSignal | undefined): Promise<URL> {
    const { url, others } = this.endpoint
    if (others === undefined) return url
    return (this.#found ??= await findService(this.#connections, [url, ...others], signal))
  }

  /** The version of SRM that the service speaks. */
  async ping(signal?: AbortSignal | undefined): Promise<string> {
    const { versionInfo } = await this.call('srmPing', {}, signal)
    return versionInfo.replace(/[^\x20-\x7e]/g, '').slice(0, 40)
  }

  /** srmLs, waited for where the service answers later; its last word where that takes too long. */
  async #listed(
    request: RequestOf<'srmLs'>,
    signal: AbortSignal | undefined,
  ): Promise<ReplyOf<'srmStatusOfLsRequest'>> {
    const first = await this.call('srmLs', request, signal)
    let reply: ReplyOf<'srmStatusOfLsRequest'> = first
    for (const ms of first.requestToken === undefined ? [] : LIST_WAITS_MS) {
      if (!LATER.includes(reply.returnStatus.statusCode)) break
      await sleep(ms, undefined, { ...(signal === undefined ? {} : { signal }) })
      reply = await this.call('srmStatusOfLsRequest', { requestToken: first.requestToken! }, signal)
    }
    return reply
  }

  /** @throws MDM_NOT_FOUND | MDM_DENIED and as call; MDM_BAD_REQUEST for a folder */
  async stat(surl: string, signal?: AbortSignal | undefined): Promise<StoredStat> {
    const request = { arrayOfSURLs: [surl], fullDetailedList: true, numOfLevels: 0 }
    const { returnStatus, details } = await this.#listed(request, signal)
    const [detail] = details ?? []
    const status = LATER.includes(returnStatus.statusCode) ? returnStatus : (detail?.status ?? returnStatus)
    if (status.statusCode !== 'SRM_SUCCESS') throw refusalOf(status)
    if (detail?.size === undefined || (detail.type ?? 'FILE') !== 'FILE')
      throw new MdmError('MDM_BAD_REQUEST', 'the SURL is not one of a file')
    const adler32 = /^adler32$/i.test(detail.checkSumType ?? '')
      ? /^[0-9a-f]{1,8}$/i.exec(detail.checkSumValue ?? '')?.[0]
      : undefined
    return {
      bytes: detail.size,
      ...(adler32 === undefined ? {} : { adler32: adler32.toLowerCase().padStart(8, '0') }),
    }
  }
}

/** The error that a status stands for. What a service of others explains is passed on as printable letters, since people need it. */
export function refusalOf(status: ReturnStatus): MdmError {
  const code = codeOf(status)
  const { statusCode, explanation = '' } = status
  const told = printable(explanation)
  const words = told === '' || told.startsWith('MDM_') ? statusCode : `${statusCode}: ${told}`
  return new MdmError(code, `${ERRORS[code].what} (${words})`, { details: { status: statusCode } })
}
