import type { IncomingMessage } from 'node:http'
import { networkFault, type Fault } from './faults.ts'

/** Fewer bytes than this within the time of inactivity count as silence: a server that drips holds its slot for ever. */
const PROGRESS_BYTES = 1024

/**
 * The bytes of a reply at the speed of the reader. Only the time that we wait for the server counts as its silence.
 *
 * @throws MDM_SOURCE_UNREACHABLE when it is silent, or ends before it said it would; the signal's reason
 */
export async function* readBody(
  reply: IncomingMessage,
  o: { inactivityMs: number; signal?: AbortSignal | undefined; fault: Fault; discard: () => void },
): AsyncGenerator<Buffer> {
  const { signal } = o
  const abort = () => reply.destroy(signal!.reason as Error)
  signal?.addEventListener('abort', abort, { once: true })
  const silent = () => reply.destroy(o.fault('is silent in the middle of its reply'))
  const chunks = reply[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let waitedMs = 0
  let progress = 0
  try {
    for (;;) {
      signal?.throwIfAborted()
      const began = performance.now()
      const timer = setTimeout(silent, Math.ceil(o.inactivityMs - waitedMs))
      const { value, done } = await chunks.next().finally(() => clearTimeout(timer))
      if (done === true) return
      waitedMs += performance.now() - began
      progress += value.length
      if (progress >= PROGRESS_BYTES) progress = waitedMs = 0
      yield value
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw networkFault(o.fault, error)
  } finally {
    signal?.removeEventListener('abort', abort)
    o.discard()
  }
}
