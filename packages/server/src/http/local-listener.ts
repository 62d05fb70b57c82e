import { createServer } from 'node:http'
import type { Health } from './health.ts'
import { listenLocally, type LocalListener } from './listen-locally.ts'

/** The version of Prometheus' text format that Registry.text() writes. */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

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
  return await listenLocally(server, { ...o, field: 'metrics' })
}
