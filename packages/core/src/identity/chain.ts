import type { X509Certificate } from 'node:crypto'
import { MdmError } from '../errors.ts'
import { EXTENSION, readCertificate, type CertificateIdentity } from './certificate.ts'
import { requireValid } from './issued.ts'
import { delegationOf, type Delegation } from './proxy/delegation.ts'
import { LANGUAGE, MOST_HOURS } from './proxy/policy.ts'
import { isLegacyProxy, requireProxyOf, type Link } from './proxy/require-proxy.ts'
import { requireStrongKey } from './strength.ts'

/** Proxies between the key that is proven and the end-entity certificate. */
export const MAX_PROXIES = 8

/** Who stands at the end of a chain: the end-entity certificate, and what the proxies before it add. */
export interface EndEntity {
  readonly certificate: X509Certificate
  readonly identity: CertificateIdentity
  /** leaf first, the end-entity certificate last; what a peer sent beyond it is left out */
  readonly chain: readonly X509Certificate[]
  /** proxies before the end-entity certificate, leaf first */
  readonly proxies: readonly Link[]
  /** SHA-256 of the SubjectPublicKeyInfo of the leaf, whose key TLS proves, hex */
  readonly spki: string
  /** absent where no proxy is in the chain */
  readonly delegation?: Delegation
  /** The earliest end of any certificate of the chain. */
  readonly notAfter: Date
}

/**
 * What was found of a chain, good or not, by its leaf: a connection shows the same one with every request, and a stranger must not
 * have all its signatures verified with each.
 */
const walked = new WeakMap<X509Certificate, Walk>()

interface Walk {
  readonly chain: readonly X509Certificate[]
  readonly found: EndEntity | MdmError
}

/**
 * Finds the end-entity certificate (EEC) of a chain that a peer sent: from the leaf over its proxies (RFC 3820), each verified
 * with the key of the next. Who issued the EEC, and the time, are for the caller to ask: requireIssuedBy, requireProxiesValid.
 *
 * @param chain as TLS gave it, leaf first
 * @throws MDM_UNAUTHENTICATED
 * @see RFC 3820 section 4
 */
export function findEndEntity(chain: readonly X509Certificate[]): EndEntity {
  const [leaf] = chain
  if (leaf === undefined) throw new MdmError('MDM_UNAUTHENTICATED', 'no client certificate was sent')
  let known = walked.get(leaf)
  if (known === undefined || !isSame(known.chain, chain)) {
    known = { chain: [...chain], found: tryTo(() => walk(chain)) }
    walked.set(leaf, known)
  }
  if (known.found instanceof MdmError) throw known.found
  return known.found
}

/** Fails outside the validity of one of the proxies. @throws MDM_CREDENTIAL_EXPIRED */
export function requireProxiesValid({ proxies }: EndEntity, now: Date): void {
  for (const { identity } of proxies) requireValid(identity, now, 'the proxy')
}

function walk(chain: readonly X509Certificate[]): EndEntity {
  const proxies: Link[] = []
  for (const certificate of chain) {
    const identity = readCertificate(certificate.raw)
    if (identity.extensions.has(EXTENSION.proxyCertInfo)) {
      if (proxies.push({ certificate, identity }) > MAX_PROXIES)
        throw refused('the chain has too many proxies')
      if (isLongCapability(identity)) throw refused('what is restricted by limits may not last so long')
      continue
    }
    if (isLegacyProxy(identity))
      throw refused('a proxy of the time before RFC 3820 is not accepted: make one with "-rfc"')
    const entity = { certificate, identity }
    // Before the first signature is verified: with some keys that alone takes long.
    if (proxies.length > 0) for (const link of [...proxies, entity]) requireStrongKey(link.identity)
    for (const [i, proxy] of proxies.entries()) requireProxyOf(proxies[i + 1] ?? entity, proxy)
    const [leaf] = proxies
    const ends = [entity, ...proxies].map((link) => link.identity.notAfter.getTime())
    return {
      ...entity,
      chain: chain.slice(0, proxies.length + 1),
      proxies,
      spki: (leaf ?? entity).identity.spki,
      ...(leaf === undefined ? {} : { delegation: delegationOf(proxies.map((p) => p.identity.proxyInfo!)) }),
      notAfter: new Date(Math.min(...ends)),
    }
  }
  throw refused('the chain of the proxy does not reach the certificate of its owner')
}

/** Who writes one dates it back a little, since clocks of peers differ. */
const DATED_BACK_MS = 10 * 60_000

function isLongCapability({ proxyInfo, notBefore, notAfter }: CertificateIdentity): boolean {
  if (proxyInfo?.language !== LANGUAGE.mdmLimits) return false
  return notAfter.getTime() - notBefore.getTime() > MOST_HOURS * 3_600_000 + DATED_BACK_MS
}

function isSame(some: readonly X509Certificate[], others: readonly X509Certificate[]): boolean {
  return some.length === others.length && some.every((certificate, i) => certificate === others[i])
}

function tryTo(work: () => EndEntity): EndEntity | MdmError {
  try {
    return work()
  } catch (error) {
    if (error instanceof MdmError) return error
    throw error
  }
}

function refused(why: string): MdmError {
  return new MdmError('MDM_UNAUTHENTICATED', why)
}
