import type { AddressInfo } from 'node:net'
import { MdmError } from '@mdm/core/errors'
import type { App } from './app.ts'

export interface Serving {
  /** https://host:port, with the port that was taken when 0 was asked */
  readonly url: string
  /** Takes no new connections, lets answers under way end for `graceMs`, then cuts them. */
  stop(): Promise<void>
}

/**
 * Opens the listener.
 *
 * @param o `graceMs` is how long stop() waits for answers under way, 10,000 unless told
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
      const cut = setTimeout(() => app.server.closeAllConnections(), o.graceMs ?? 10_000)
      await app.close()
      clearTimeout(cut)
    },
  }
}
