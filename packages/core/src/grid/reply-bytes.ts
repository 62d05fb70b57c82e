import { MdmError } from '../errors.ts'

/** The chunks of a reply. @throws MDM_UNREACHABLE when the connection goes; why it was aborted when it was */
export async function* bytesOf(
  body: AsyncIterable<unknown>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body) yield chunk as Buffer
  } catch (error) {
    throw networkError(error, signal)
  }
}

/** A whole reply as text, at most `limit` bytes. @throws MDM_BAD_REQUEST when it is longer; as bytesOf */
export async function readText(
  body: AsyncIterable<unknown>,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of bytesOf(body, signal)) {
    bytes += chunk.length
    if (bytes > limit) throw new MdmError('MDM_BAD_REQUEST', 'the reply is longer than its contract allows')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The service closed a connection without an answer, as it may do with one that was kept (RFC 9112 section 9.3.1). */
export function isHangUp(error: unknown): boolean {
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes((error as { code?: string }).code ?? '')
}

/**
 * What a failed call means: MDM_UNREACHABLE, unless it was aborted or is known already.
 *
 * @param whom who was called, for a person: "the site (https://...)"
 */
export function networkError(error: unknown, signal: AbortSignal | undefined, whom?: string): unknown {
  if (error instanceof MdmError) return error
  if (signal?.aborted === true) return signal.reason ?? error
  const message = whom === undefined ? undefined : `${whom} does not answer${reasonOf(error)}`
  return new MdmError('MDM_UNREACHABLE', message, { cause: error })
}

/** Why, where the system says it in a word of which there are few. */
function reasonOf(error: unknown): string {
  const { code = '' } = error as { code?: string }
  const known = Object.hasOwn(REASONS, code) ? REASONS[code] : undefined
  return (
    known ?? (/^(ERR_SSL_|ERR_TLS_|EPROTO)/.test(code) ? ': what listens there speaks no TLS that we do' : '')
  )
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: ': nothing listens there',
  ENOTFOUND: ': there is no machine of that name',
  EAI_AGAIN: ': its name cannot be looked up',
  EHOSTUNREACH: ': the network does not lead there',
  ENETUNREACH: ': the network does not lead there',
  UND_ERR_CONNECT_TIMEOUT: ': no connection came about',
}
