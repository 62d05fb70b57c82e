import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/** Certificates a caller may send; longer chains are cut, and then do not verify. */
const MAX_CHAIN = 10

const chains = new WeakMap<TLSSocket, readonly X509Certificate[]>()

/** The certificates a caller showed, leaf first; empty when none. Read once per connection: they cannot change on it. */
export function chainOf(socket: TLSSocket): readonly X509Certificate[] {
  const known = chains.get(socket)
  if (known !== undefined) return known
  const chain: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next !== undefined && chain.length < MAX_CHAIN) {
    chain.push(next)
    const issuer: X509Certificate | undefined = next.issuerCertificate
    next = issuer === undefined || issuer.raw.equals(next.raw) ? undefined : issuer
  }
  chains.set(socket, chain)
  return chain
}
