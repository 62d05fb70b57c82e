import { ERRORS, isErrorCode, MdmError } from '../../errors.ts'
import { Problem } from '../../wire/problem.ts'
import { readText } from '../reply-bytes.ts'
import type { FileReply, StorageConnections } from './connections.ts'
import type { PreparedFile } from './prepare.ts'

/** Doors of storage elements send clients on to the machine that has the file. */
const MAX_REDIRECTS = 3
const MAX_PROBLEM_BYTES = 65_536
/** Algorithms of RFC 3230 that we compare. */
const WANTED = 'adler32, sha-256'

/** Where to go on: only with the file that has this entity tag; any other comes whole. */
export interface Continuation {
  readonly start: number
  /** without quotes */
  readonly etag: string
}

/** A file on its way from a storage element. */
export interface StoredBody {
  /** first byte of this answer within the file */
  readonly start: number
  /** length of the whole file, where anybody says it */
  readonly bytes?: number
  /** the strong entity tag, without quotes */
  readonly etag?: string
  /** what the server says of the whole file (RFC 3230); sha256 in base64, adler32 in 8 hex digits */
  readonly digest: { readonly adler32?: string; readonly sha256?: string }
  /** ends where the file does, or throws */
  readonly body: AsyncIterable<Buffer>
  discard(): void
}

/**
 * Fetches a prepared file.
 *
 * @throws MDM_NOT_FOUND | MDM_DENIED | MDM_UNREACHABLE | MDM_PEER; MDM_INTEGRITY where its length is not the one that was prepared
 */
export async function openFile(
  connections: StorageConnections,
  file: PreparedFile,
  o: { from?: Continuation | undefined; signal?: AbortSignal | undefined } = {},
): Promise<StoredBody> {
  const headers: Record<string, string> = { 'want-digest': WANTED, 'accept-encoding': 'identity' }
  if (o.from !== undefined) {
    headers['range'] = `bytes=${o.from.start}-`
    headers['if-range'] = `"${o.from.etag}"`
  }
  const reply = await following(connections, file.turl, headers, o.signal)
  try {
    return bodyOf(reply, file, o.from)
  } catch (error) {
    reply.discard()
    throw error
  }
}

/** Each server on the way proves itself, and each step is https: StorageConnections sees to that. */
async function following(
  connections: StorageConnections,
  turl: URL,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<FileReply> {
  let url = turl
  for (let redirects = 0; ; redirects++) {
    const reply = await connections.get(url, headers, signal)
    if (reply.status === 200 || reply.status === 206) return reply
    if (![301, 302, 303, 307, 308].includes(reply.status)) throw await refusalOf(reply, signal)
    reply.discard()
    const location = reply.headers['location'] ?? ''
    if (redirects === MAX_REDIRECTS || !URL.canParse(location, url))
      throw new MdmError('MDM_UNREACHABLE', 'the storage service sends the transfer round in circles')
    url = new URL(location, url)
    if (url.protocol !== 'https:' || url.username !== '' || url.password !== '')
      throw new MdmError(
        'MDM_PEER',
        'the storage service sends the transfer on to a place without TLS, or with a password',
      )
  }
}

function bodyOf(reply: FileReply, file: PreparedFile, from: Continuation | undefined): StoredBody {
  const { status, headers, discard } = reply
  const length = /^[0-9]{1,15}$/.test(headers['content-length'] ?? '')
    ? Number(headers['content-length'])
    : undefined
  const range = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15})$/.exec(headers['content-range'] ?? '')
  const start = status === 206 ? Number(range?.[1]) : 0
  const bytes = status === 206 ? Number(range?.[3]) : (length ?? file.bytes)
  if (status === 206 && (range === null || start !== from?.start || Number(range[2]) !== bytes! - 1))
    throw new MdmError(
      'MDM_INTEGRITY',
      'the storage service sent another part of the file than was asked for',
    )
  if ((headers['content-encoding'] ?? 'identity') !== 'identity')
    throw new MdmError(
      'MDM_BAD_REQUEST',
      'the storage service sent the file in an encoding that was not asked for',
    )
  if (file.bytes !== undefined && bytes !== file.bytes)
    throw new MdmError('MDM_INTEGRITY', 'the file has another length than the storage service said before')
  const etag = /^"([^"\\\x00-\x20\x7f-\xff]{1,200})"$/.exec(headers['etag'] ?? '')?.[1]
  return {
    start,
    ...(bytes === undefined ? {} : { bytes }),
    ...(etag === undefined ? {} : { etag }),
    digest: digestsOf(headers['digest'] ?? ''),
    body: bytes === undefined ? reply.body : exactly(reply.body, bytes - start),
    discard,
  }
}

/** Neither more nor less than was announced, for a transfer of chunks has no length of its own. */
async function* exactly(body: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes
  for await (const chunk of body) {
    left -= chunk.length
    if (left < 0) throw new MdmError('MDM_INTEGRITY', 'the file is longer than the storage service said')
    yield chunk
  }
  if (left > 0) throw new MdmError('MDM_UNREACHABLE', 'the transfer stopped before its end')
}

/** `adler32=03da0195,sha-256=base64` */
function digestsOf(header: string): StoredBody['digest'] {
  const adler32 = /(?:^|,)\s*adler32=([0-9a-f]{1,8})\s*(?:,|$)/i.exec(header)?.[1]
  const sha256 = /(?:^|,)\s*sha-256=([A-Za-z0-9+/]{43}=)\s*(?:,|$)/i.exec(header)?.[1]
  return {
    ...(adler32 === undefined ? {} : { adler32: adler32.toLowerCase().padStart(8, '0') }),
    ...(sha256 === undefined ? {} : { sha256 }),
  }
}

/** A code of ours where an MDM says it; else what the status means. No text of a stranger is passed on. */
async function refusalOf(reply: FileReply, signal: AbortSignal | undefined): Promise<MdmError> {
  const { status } = reply
  const text = await readText(reply.body, MAX_PROBLEM_BYTES, signal).catch(() => '')
  const problem = Problem.safeParse(parseJson(text))
  if (problem.success && isErrorCode(problem.data.code) && ERRORS[problem.data.code].status === status)
    return new MdmError(problem.data.code)
  if (status === 404) return new MdmError('MDM_NOT_FOUND')
  if (status === 410) return new MdmError('MDM_GONE')
  if (status === 401 || status === 403)
    return new MdmError('MDM_DENIED', 'the storage service does not let you fetch the file it prepared')
  return new MdmError('MDM_UNREACHABLE', `the transfer was answered with status ${status}`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
