import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/**
 * Below the range that systems take ports for outgoing connections from (RFC 6335: 49152 and up; Linux: 32768 and up): a port
 * that port 0 gives may be taken by any client before its server starts.
 */
const [FIRST, LAST] = [15_000, 32_000]
const TRIES = 1_000

/** Ports that are free on a host now, all different. */
export async function freePorts(host: string, count: number): Promise<number[]> {
  const held: { port: number; server: Server }[] = []
  for (let tries = 0; held.length < count && tries < TRIES; tries++) {
    const port = randomInt(FIRST, LAST)
    const server = createServer()
    const listening = await once(server.listen(port, host), 'listening').then(
      () => true,
      () => false,
    )
    if (listening) held.push({ port, server })
  }
  await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))))
  if (held.length < count) throw new Error('no free ports on this host')
  return held.map(({ port }) => port)
}
