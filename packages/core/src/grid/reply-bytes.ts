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

/** What a failed call means: MDM_UNREACHABLE, unless it was aborted or is known already. */
export function networkError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof MdmError) return error
  if (signal?.aborted === true) return signal.reason ?? error
  return new MdmError('MDM_UNREACHABLE', undefined, { cause: error })
}
