import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { constants } from 'node:crypto'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { MdmError } from '@mdm/core/errors'
import { acceptAssociation } from './accept.ts'
import { dimseError } from './faults.ts'
import { encodeAbort } from './pdu.ts'
import { provide } from './provide.ts'
import { quickAcknowledge } from './quick-ack.ts'
import { Transport } from './transport.ts'
import type { DimseServer, DimseServerOptions, ServerLimits } from './types.ts'
import { UpperLayer } from './upper-layer.ts'

export const DEFAULT_LIMITS: Readonly<ServerLimits> = {
  associations: 16,
  maxPdu: 64 << 10,
  associationMs: 10_000,
  inactivityMs: 60_000,
  lifetimeMs: 3_600_000,
}

/**
 * Listens for associations and serves C-STORE and C-ECHO on them.
 * @throws MDM_CONFIG when the address cannot be listened on
 */
export async function serveDimse(o: DimseServerOptions): Promise<DimseServer> {
  const limits = { ...DEFAULT_LIMITS, ...o.limits }
  const sockets = new Map<Socket, Transport | undefined>()
  let associations = 0

  const serve = async (transport: Transport, tcp: Socket, tlsPeer: string | undefined, leftMs: number) => {
    const layer = new UpperLayer(transport, limits.maxPdu)
    let isCounted = false
    const isFull = (): boolean => {
      if (associations >= limits.associations) return true
      associations++
      return !(isCounted = true)
    }
    const late = dimseError('inactive', 'an association lasted longer than is allowed')
    const lifetime = setTimeout(() => transport.fail(late, encodeAbort(0, 0)), limits.lifetimeMs)
    try {
      const { exchange, association } = await transport.within(
        leftMs,
        'association-timeout',
        'no association in time',
        () =>
          acceptAssociation(
            layer,
            { ...o, maxPdu: limits.maxPdu, isFull },
            { peerAddress: addressOf(tcp), tlsPeer },
          ),
      )
      await provide(exchange, association, o)
    } catch (error) {
      const source = error instanceof MdmError && error.details['dimse'] === 'protocol' ? 2 : 0
      transport.fail(error as Error, encodeAbort(source, 0))
      if (error instanceof MdmError) o.onFault?.(error, addressOf(tcp))
    } finally {
      clearTimeout(lifetime)
      await transport.closed
      if (isCounted) associations--
    }
  }
  const onSecure = async (socket: Socket, tcp: Socket, since: number): Promise<void> => {
    const acknowledge = o.quickAck === false ? undefined : await quickAcknowledge(tcp)
    const { inactivityMs } = limits
    const transport = new Transport(socket, { inactivityMs, farewell: encodeAbort(0, 0), acknowledge })
    sockets.set(tcp, transport)
    const leftMs = Math.max(1, limits.associationMs - (performance.now() - since))
    await serve(transport, tcp, fingerprintOf(socket), leftMs)
  }
  const server = listener(o, limits, onSecure)
  server.on('connection', (tcp: Socket) => {
    if (!sockets.has(tcp)) sockets.set(tcp, undefined)
    tcp.once('close', () => sockets.delete(tcp))
  })
  // beyond twice the limit nobody is told why: what has not yet asked for an association is no association
  server.maxConnections = 2 * limits.associations
  server.listen(o.port, o.host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'cannot listen on the address of the configuration', { cause })
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const [tcp, transport] of sockets) {
        if (transport === undefined) tcp.destroy()
        else transport.fail(dimseError('closed', 'the server stops'), encodeAbort(0, 0))
      }
      await closed
    },
  }
}

/** Calls back with a socket to read from and the TCP socket below it: the same, or one of TLS whose peer is known. */
function listener(
  o: DimseServerOptions,
  limits: ServerLimits,
  onSocket: (socket: Socket, tcp: Socket, since: number) => Promise<void>,
): Server {
  const begin = (tcp: Socket): Socket => tcp.on('error', () => {})
  if (o.tls === undefined)
    return createServer({ noDelay: true }, (tcp) => void onSocket(begin(tcp), tcp, performance.now()))
  const { ca, cert, key } = o.tls
  const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION
  const server = createTlsServer({
    ...{ ca, cert, key, secureOptions, minVersion: 'TLSv1.2', noDelay: true },
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: limits.associationMs,
  })
  const below = new Map<string, { tcp: Socket; since: number }>()
  server.on('connection', (tcp: Socket) => {
    const name = endpointOf(begin(tcp))
    below.set(name, { tcp, since: performance.now() })
    tcp.once('close', () => below.delete(name))
  })
  server.on('secureConnection', (tls: TLSSocket) => {
    tls.on('error', () => {})
    const found = below.get(endpointOf(tls))
    if (found === undefined) tls.destroy()
    else void onSocket(tls, found.tcp, found.since)
  })
  server.on('tlsClientError', (cause, tls) => {
    tls.destroy()
    o.onFault?.(dimseError('tls', 'no TLS with a certificate we know', { cause }), addressOf(tls))
  })
  return server
}

function endpointOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

function addressOf(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
}

function fingerprintOf(socket: Socket): string | undefined {
  const certificate = (socket as Partial<TLSSocket>).getPeerX509Certificate?.()
  return certificate?.fingerprint256.replaceAll(':', '').toLowerCase()
}
