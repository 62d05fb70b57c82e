import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MdmError } from '@mdm/core/errors'

/** A small server of plain HTTP for programs of this machine. */
export interface LocalListener {
  readonly url: string
  stop(): Promise<void>
}

/**
 * Opens such a server.
 *
 * @param o `field` is where the configuration has its address
 * @throws MDM_CONFIG when the address cannot be listened on
 */
export async function listenLocally(
  server: Server,
  o: { readonly host: string; readonly port: number; readonly field: string },
): Promise<LocalListener> {
  server.maxConnections = 32
  server.on('clientError', (_error, socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: Error) =>
      reject(new MdmError('MDM_CONFIG', `cannot listen on the address of "${o.field}"`, { cause }))
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
