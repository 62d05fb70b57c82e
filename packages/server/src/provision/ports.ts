import { createServer, type AddressInfo, type Server } from 'node:net'
import { once } from 'node:events'

/** Ports that were free on a host a moment ago, all different; asking for port 0 makes the system choose. */
export async function freePorts(host: string, count: number): Promise<number[]> {
  const servers: Server[] = []
  for (let i = 0; i < count; i++) {
    const server = createServer().listen(0, host)
    servers.push(server)
    await once(server, 'listening')
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
