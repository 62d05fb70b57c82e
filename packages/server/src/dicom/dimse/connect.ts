import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { dimseError } from './faults.ts'
import { encodeAbort } from './pdu.ts'
import { quickAcknowledge } from './quick-ack.ts'
import { Transport } from './transport.ts'
import type { DimsePeer } from './types.ts'

/**
 * Opens the transport connection to a peer, with TLS where it has trust for it (PS3.8 9.1.1, PS3.15 B.1).
 *
 * @throws MDM_SOURCE_UNREACHABLE | MDM_SOURCE_REFUSED when its certificate is not one we know
 */
export async function connect(
  peer: DimsePeer,
  o: { connectMs: number; inactivityMs: number },
  signal?: AbortSignal,
): Promise<Transport> {
  signal?.throwIfAborted()
  const tcp = connectTcp({ host: peer.host, port: peer.port, noDelay: true }).on('error', ignore)
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(dimseError('connect-timeout', `no connection within ${o.connectMs} ms`)),
    o.connectMs,
  )
  const onAbort = () => late.reject(signal!.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const sockets: Socket[] = [tcp]
  try {
    await Promise.race([ready(tcp, 'connect', 'connect', 'the peer cannot be reached'), late.promise])
    const acknowledge = peer.quickAck === false ? undefined : await quickAcknowledge(tcp)
    const settings = { inactivityMs: o.inactivityMs, farewell: encodeAbort(0, 0), acknowledge }
    if (peer.tls === undefined) return new Transport(tcp, settings)
    const { ca, cert, key, servername } = peer.tls
    const host = servername ?? peer.host
    // an address is no server name (RFC 6066 section 3)
    const named = isIP(host) === 0 ? { servername: host } : {}
    const tls = connectTls({ socket: tcp, host, ...named, ca, cert, key, minVersion: 'TLSv1.2' })
    tls.on('error', ignore)
    sockets.unshift(tls)
    tls.once('close', () => tcp.destroy())
    await Promise.race([
      ready(tls, 'secureConnect', 'tls', 'no TLS with a certificate we know'),
      late.promise,
    ])
    return new Transport(tls, settings)
  } catch (error) {
    for (const socket of sockets) socket.destroy()
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

function ready(socket: Socket, event: string, fault: 'connect' | 'tls', message: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause?: unknown) => reject(dimseError(fault, message, { cause }))
    socket.once('error', failed)
    socket.once('close', failed)
    socket.once(event, () => {
      socket.off('error', failed)
      socket.off('close', failed)
      resolve()
    })
  })
}

/** An error that comes between two listeners must not end the process; the socket is closed then, which is seen. */
function ignore(): void {}
