import type { AddressInfo } from 'node:net'
import { MdmError } from '@mdm/core/errors'
import type { App } from './app.ts'

export interface Serving {
  /** https://host:port, with the port that was taken when 0 was asked */
  readonly url: string
  /**
   * Takes no new connections, answers new requests on open ones with 503, lets answers under way end for `graceMs`, then cuts
   * them.
   */
  stop(): Promise<void>
}

/** How often connections are looked for whose answer has ended, ms. */
const IDLE_MS = 50

/**
 * Opens the listener.
 *
 * @param o `graceMs` is how long stop() waits for answers under way, 30,000 unless told
 * @throws MDM_CONFIG when the address cannot be listened on
 */
export async function serve(app: App, o: { host: string; port: number; graceMs?: number }): Promise<Serving> {
  try {
    await app.listen({ host: o.host, port: o.port })
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'cannot listen on the address of the configuration', { cause })
  }
  const { port } = app.server.address() as AddressInfo
  return {
    url: `https://${o.host.includes(':') ? `[${o.host}]` : o.host}:${port}`,
    async stop() {
      app.draining.since ??= performance.now()
      const cut = setTimeout(() => app.server.closeAllConnections(), o.graceMs ?? 30_000)
      // An answer that began before leaves its connection open, for a request that may never come.
      const idle = setInterval(() => app.server.closeIdleConnections(), IDLE_MS)
      await app.close()
      clearTimeout(cut)
      clearInterval(idle)
    },
  }
}
