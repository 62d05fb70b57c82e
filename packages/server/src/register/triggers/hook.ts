import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import { listenLocally, type LocalListener } from '../../http/listen-locally.ts'

/** Bytes of a body that are read and thrown away; a longer one ends the connection. */
const MAX_BODY_BYTES = 64 * 1024

/**
 * `POST /hooks/orthanc`: a web hook of Orthanc, on a listener of its own on the loopback address. Whoever has the secret
 * (`Authorization: Bearer SECRET`) brings the next look forward and nothing else: its body is thrown away.
 *
 * @param o `called` is told of a call with the right secret, `refused` writes down one with another
 * @throws MDM_CONFIG when the address cannot be listened on
 */
export async function serveHook(o: {
  readonly host: string
  readonly port: number
  readonly secret: string
  readonly called: () => void
  readonly refused: () => Promise<void>
}): Promise<LocalListener> {
  const expected = digest(`Bearer ${o.secret}`)
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, (request, reply) => {
    const answer = (status: number) =>
      reply.writeHead(status, { 'content-length': 0, 'cache-control': 'no-store', connection: 'close' }).end()
    // The request forgets its socket when its body is given up.
    const { socket } = request
    void discard(request).then(async (whole) => {
      if (!whole) return void socket.destroy()
      if (request.method !== 'POST' || request.url !== '/hooks/orthanc') return answer(404)
      if (!timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) {
        // It is refused whether or not that can be written down.
        await o.refused().catch(() => undefined)
        return answer(401)
      }
      o.called()
      answer(204)
    })
  })
  return await listenLocally(server, { ...o, field: 'hooks' })
}

/** Digests are of one length, so comparing them tells nothing of the secret's. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Reads a body to its end. @returns false when it is too long or cut off */
async function discard(request: IncomingMessage): Promise<boolean> {
  let bytes = 0
  try {
    for await (const chunk of request) {
      bytes += (chunk as Buffer).length
      if (bytes > MAX_BODY_BYTES) return false
    }
    return true
  } catch {
    return false
  }
}
