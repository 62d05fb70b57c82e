import { MdmError, isErrorCode } from '../errors.ts'
import type { StreamReply } from '../grid/http.ts'
import { Guid, Kid, formatVolumeName, type VolumeName } from '../names.ts'
import { parseServerTiming, type Timing } from '../timing.ts'
import { getContent, getPreparation } from '../wire/site.ts'
import type { Session } from './session.ts'

/** A container as the site sends it: ciphertext that anyone may carry and only key readers can open. */
export interface RawContainer {
  readonly guid: Guid
  readonly version: number
  /** A newer version that the caller may read as well. */
  readonly latest?: number
  /** where the name was an instance GUID: the slice it names, from 0 */
  readonly slice?: number
  readonly kid: Kid
  /** base64url of the message id: another one is another encryption */
  readonly etag: string
  /** length of the whole container in bytes */
  readonly bytes: number
  /** first byte of this answer within the container */
  readonly start: number
  readonly body: AsyncIterable<Buffer>
}

export interface RawOptions {
  readonly range?: { readonly start: number; readonly end?: number }
  /** Only the container with this etag; any other arrives whole, from byte 0. */
  readonly ifRange?: string
  readonly signal?: AbortSignal | undefined
  readonly timing?: Timing | undefined
}

/**
 * Level 1 (paper 4.3): fetches the container of a volume, which needs the right to the file and no key.
 *
 * @throws MDM_NOT_FOUND | MDM_DENIED | MDM_SOURCE_* | MDM_BELOW_THRESHOLD (the site's own) | MDM_UNREACHABLE;
 *   MDM_INTEGRITY when a GUID is answered with another volume, MDM_USAGE when it is that of a slice
 */
export async function getRaw(session: Session, name: VolumeName, o: RawOptions = {}): Promise<RawContainer> {
  const headers: Record<string, string> = {}
  if (o.range !== undefined)
    headers.range = `bytes=${o.range.start}-${o.range.end === undefined ? '' : o.range.end - 1}`
  if (o.ifRange !== undefined) headers['if-range'] = `"${o.ifRange}"`
  const sentMs = o.timing?.now() ?? 0
  const opened = o.timing?.start('open')
  const reply = await session.site.stream(
    getContent,
    { params: { name: formatVolumeName(name) } },
    { headers, signal: o.signal },
  )
  opened?.()
  o.timing?.adopt(parseServerTiming(reply.headers['server-timing'] ?? ''), sentMs)
  const facts = acceptable(name, reply)
  return { ...facts, body: whole(session, facts, reply, o) }
}

/** What the answer says it is; one that is not what was asked for is let go unread. */
function acceptable(name: VolumeName, reply: StreamReply): ReturnType<typeof readHeaders> {
  try {
    const facts = readHeaders(reply.headers, reply.status)
    requireAsked(name, facts)
    return facts
  } catch (error) {
    reply.discard()
    throw error
  }
}

function readHeaders(
  headers: Readonly<Record<string, string>>,
  status: number,
): Omit<RawContainer, 'body'> & { end: number } {
  const guid = Guid.safeParse(headers['mdm-guid'])
  const kid = Kid.safeParse(headers['mdm-kid'])
  const etag = /^"([A-Za-z0-9_-]{43})"$/.exec(headers.etag ?? '')?.[1]
  const version = Number(headers['mdm-version'])
  const length = Number(headers['content-length'])
  const range = /^bytes ([0-9]+)-([0-9]+)\/([0-9]+)$/.exec(headers['content-range'] ?? '')
  if (
    !guid.success ||
    !kid.success ||
    etag === undefined ||
    !Number.isSafeInteger(version) ||
    !Number.isSafeInteger(length) ||
    (status === 206) !== (range !== null)
  ) {
    throw new MdmError('MDM_BAD_REQUEST', 'the site sent a container without the headers its contract names')
  }
  const start = range === null ? 0 : Number(range[1])
  const latest = headers['mdm-latest'] === undefined ? {} : { latest: Number(headers['mdm-latest']) }
  return {
    guid: guid.data,
    kid: kid.data,
    etag,
    version,
    ...latest,
    ...(headers['mdm-slice'] === undefined ? {} : { slice: Number(headers['mdm-slice']) }),
    start,
    end: start + length,
    bytes: range === null ? length : Number(range[3]),
  }
}

/** A GUID means itself: no site may answer it with another volume. */
function requireAsked(name: VolumeName, { guid, version, slice }: Omit<RawContainer, 'body'>): void {
  if (!('guid' in name) || (name.guid === guid && (name.version ?? version) === version)) return
  if (slice === undefined)
    throw new MdmError('MDM_INTEGRITY', 'the site sent another volume than the one asked for')
  throw new MdmError('MDM_USAGE', `this names one slice of volume ${guid}: write instance:${name.guid}`, {
    details: { guid },
  })
}

/** The body, or the reason the preparation failed: a short body is never taken for a network fault without asking. */
async function* whole(
  session: Session,
  facts: { guid: Guid; etag: string; start: number; end: number },
  reply: Pick<StreamReply, 'body' | 'origin'>,
  o: RawOptions,
): AsyncGenerator<Buffer> {
  let received = facts.start
  let failure: unknown
  try {
    for await (const chunk of reply.body) {
      received += chunk.length
      yield chunk
    }
  } catch (error) {
    failure = error
  }
  if (received === facts.end && failure === undefined) return
  o.signal?.throwIfAborted()
  const state = await session.site
    .call(getPreparation, { params: { guid: facts.guid, etag: facts.etag } }, { signal: o.signal })
    .catch(() => undefined)
  if (state?.state === 'FAILED' && isErrorCode(state.code)) {
    throw new MdmError(state.code, state.message, { cause: failure, details: { ...reply.origin } })
  }
  throw new MdmError('MDM_UNREACHABLE', 'the transfer stopped before its end', {
    cause: failure,
    details: { ...reply.origin },
  })
}
