import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MdmError } from '@mdm/core/errors'
import type { Health } from './health.ts'

/** The version of Prometheus' text format that Registry.text() writes. */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export interface LocalListener {
  readonly url: string
  stop(): Promise<void>
}

/**
 * The operator's own listener: /metrics and /health over plain HTTP, nothing else and to nobody in particular, so it belongs
 * on the loopback address.
 *
 * @throws MDM_CONFIG when the address cannot be listened on
 */
export async function serveLocally(o: {
  readonly host: string
  readonly port: number
  readonly metrics: () => Promise<string>
  readonly health: () => Promise<Health>
}): Promise<LocalListener> {
  const answers: Record<string, () => Promise<[status: number, type: string, text: string]>> = {
    '/metrics': async () => [200, METRICS_TYPE, await o.metrics()],
    '/health': async () => {
      const health = await o.health()
      return [health.status === 'ready' ? 200 : 503, 'application/json', JSON.stringify(health)]
    },
  }
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, (request, reply) => {
    const answer = request.method === 'GET' ? answers[request.url ?? ''] : undefined
    const send = (status: number, type: string, text: string) =>
      reply
        .writeHead(status, { 'content-type': type, 'cache-control': 'no-store', connection: 'close' })
        .end(text)
    if (answer === undefined) send(404, 'text/plain', '')
    else
      void answer().then(
        (parts) => send(...parts),
        () => send(500, 'text/plain', ''),
      )
  })
  server.maxConnections = 32
  server.on('clientError', (_error, socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: Error) =>
      reject(new MdmError('MDM_CONFIG', 'cannot listen on the address of "metrics"', { cause }))
    server.once('error', failed)
    server.listen(o.port, o.host, () => {
      server.off('error', failed)
      resolve()
    })
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${o.host.includes(':') ? `[${o.host}]` : o.host}:${port}`,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
