import type { Server } from 'node:https'
import type { TLSSocket } from 'node:tls'

/** "Nothing is delegated": the byte that GSI sends between handshake and data. No HTTP method begins with it. */
const NO_DELEGATION = 0x30
/** How long a client may be silent after the handshake, ms. */
const WAIT_MS = 10_000

/** Connections whose first byte has not come yet. */
export interface AwaitedFlags {
  /** Cuts them and those to come; what HTTP reads already is left alone. */
  cut(): void
}

/**
 * Lets one port serve httpg and https: the delegation flag is taken off a connection that begins with it, then HTTP gets the
 * connection, with every other first byte as it came. A `D` (delegate) is not taken off, since it may be that of DELETE; as a
 * request it is malformed. A connection whose TLS session was resumed is cut: its certificates are not all there.
 *
 * @param server gives its connections to HTTP, which so keeps its own limits, times and list of them
 * @see GSI (GFD.24), wrapping and delegation flag
 */
export function dropDelegationFlag(server: Server, waitMs = WAIT_MS): AwaitedFlags {
  const http = server.listeners('secureConnection')
  server.removeAllListeners('secureConnection')
  const awaited = new Set<TLSSocket>()
  let stopping = false
  server.on('secureConnection', (socket: TLSSocket) => {
    if (stopping || socket.isSessionReused()) {
      socket.destroy()
      return
    }
    awaited.add(socket)
    const cut = () => void socket.destroy()
    const timer = setTimeout(cut, waitMs)
    const settle = () => {
      clearTimeout(timer)
      awaited.delete(socket)
      socket.off('readable', look).off('end', cut).off('close', settle).off('error', cut)
    }
    const look = () => {
      const first = socket.read(1) as Buffer | null
      if (first === null) return
      settle()
      if (first[0] !== NO_DELEGATION) socket.unshift(first)
      for (const listener of http) listener.call(server, socket)
    }
    socket.on('readable', look).on('end', cut).on('close', settle).on('error', cut)
    look()
  })
  return {
    cut() {
      stopping = true
      for (const socket of awaited) socket.destroy()
    },
  }
}
