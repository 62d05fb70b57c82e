import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/** Certificates a caller may send; longer chains are cut, and then do not verify. */
const MAX_CHAIN = 10
/** Chains remembered, of all callers together; the one that was not shown for longest goes first. */
const MAX_SEEN = 256
/** Bytes of a chain that is remembered: three times what a proxy with attributes takes. */
const MAX_SEEN_BYTES = 24_576

const chains = new WeakMap<TLSSocket, readonly X509Certificate[]>()
/** Of callers who were let in, by the digests of the certificates, leaf first: what a stranger shows is forgotten with his connection. */
const seen = new Map<string, readonly X509Certificate[]>()

/**
 * The certificates a caller showed, leaf first; empty when none. Read once per connection: they cannot change on it. A chain that
 * was let in before is given as the same objects, so that what never changes of it (signatures, names, strength of keys) is found out
 * once and not for each connection of a job; what does change is asked of it for every request (`identify`).
 */
export function chainOf(socket: TLSSocket): readonly X509Certificate[] {
  const known = chains.get(socket)
  if (known !== undefined) return known
  const shown: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next !== undefined && shown.length < MAX_CHAIN) {
    shown.push(next)
    const issuer: X509Certificate | undefined = next.issuerCertificate
    next = issuer === undefined || issuer.raw.equals(next.raw) ? undefined : issuer
  }
  const chain = asRemembered(shown)
  chains.set(socket, chain)
  return chain
}

/** The chain as it was remembered, where its caller was let in lately. */
export function asRemembered(chain: readonly X509Certificate[]): readonly X509Certificate[] {
  return seen.get(nameOf(chain)) ?? chain
}

/** Remembers the chain of a caller who was let in. */
export function remember(chain: readonly X509Certificate[]): void {
  if (chain.length === 0 || chain.reduce((sum, { raw }) => sum + raw.length, 0) > MAX_SEEN_BYTES) return
  const name = nameOf(chain)
  const same = seen.get(name) ?? chain
  // Moved to the end, so that the first of the map is the one that was not shown for longest.
  seen.delete(name)
  seen.set(name, same)
  const [oldest] = seen.keys()
  if (seen.size > MAX_SEEN && oldest !== undefined) seen.delete(oldest)
}

function nameOf(chain: readonly X509Certificate[]): string {
  return chain.map(({ fingerprint256 }) => fingerprint256).join(' ')
}
