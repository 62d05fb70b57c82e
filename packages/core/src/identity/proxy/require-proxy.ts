import type { X509Certificate } from 'node:crypto'
import { MdmError } from '../../errors.ts'
import { EXTENSION, isForClients, type CertificateIdentity } from '../certificate.ts'
import { derChildren, derOid, readDer, TAG } from '../der.ts'
import { isSignedBy } from '../issued.ts'
import { requireStrongSignature } from '../strength.ts'

/** A certificate of a chain and what it says. */
export interface Link {
  readonly certificate: X509Certificate
  readonly identity: CertificateIdentity
}

const COMMON_NAME = '2.5.4.3'
const ISSUER_ALT_NAME = '2.5.29.18'

/** Extensions that are checked here, or that cannot widen what a proxy is good for; none of them names another person. */
const UNDERSTOOD = new Set<string>([
  EXTENSION.proxyCertInfo,
  EXTENSION.keyUsage,
  EXTENSION.extendedKeyUsage,
  EXTENSION.basicConstraints,
  EXTENSION.certificatePolicies,
])

/**
 * Fails unless `issuer` made this proxy of itself: name, signature, extensions and key usage of both. Validity is left to the
 * caller, so that a forged proxy is never called expired, and so is the strength of the keys; what the proxy may do is
 * readPolicy's matter.
 *
 * @param issuer an end-entity certificate or another proxy
 * @throws MDM_UNAUTHENTICATED
 * @see RFC 3820 sections 3 and 4.1.3
 */
export function requireProxyOf(issuer: Link, { certificate, identity }: Link): void {
  requireStrongSignature(identity)
  // Bytes, not canonical names: a proxy's name is made of its issuer's, and two spellings of it would be two makers.
  if (!identity.issuerDer.equals(issuer.identity.subjectDer)) throw refused('has another issuer')
  if (!isNamedBelow(issuer.identity.subjectDer, identity.subjectDer))
    throw refused('has a name that is not its issuer and one CN')
  requireExtensions(identity)
  requireUsage(issuer.identity, identity)
  if (!isSignedBy(certificate, issuer.certificate)) throw refused('is not signed by its issuer')
}

/** True for a proxy as it was made before RFC 3820: known by its name alone, so it might as well be anything. */
export function isLegacyProxy({ dn, subjectDer, issuerDer, extensions }: CertificateIdentity): boolean {
  const isNamedSo = /^CN=(?:limited )?proxy,/.test(dn)
  return isNamedSo && !extensions.has(EXTENSION.proxyCertInfo) && isNamedBelow(issuerDer, subjectDer)
}

function requireExtensions({ extensions }: CertificateIdentity): void {
  if (extensions.get(EXTENSION.proxyCertInfo) !== true)
    throw refused('does not say critically that it is one')
  if (extensions.has(EXTENSION.subjectAltName) || extensions.has(ISSUER_ALT_NAME))
    throw refused('has a second name')
  for (const [oid, critical] of extensions) {
    if (critical && !UNDERSTOOD.has(oid))
      throw refused('has a critical extension that is not understood here')
  }
}

function requireUsage(issuer: CertificateIdentity, proxy: CertificateIdentity): void {
  for (const { isCa, keyUsage } of [issuer, proxy]) {
    if (isCa || keyUsage?.keyCertSign === true) throw refused('is one of a CA, or made by one')
    if (keyUsage?.digitalSignature === false) throw refused('or its issuer is not made for signing')
  }
  if (!isForClients(proxy)) throw refused('is not made for clients')
}

/** True when a name is another one and exactly one part more, which holds one CN and nothing else. */
function isNamedBelow(issuer: Buffer, subject: Buffer): boolean {
  const above = derChildren(readDer(issuer, TAG.sequence))
  const parts = derChildren(readDer(subject, TAG.sequence))
  if (parts.length !== above.length + 1 || !above.every(({ raw }, i) => raw.equals(parts[i]!.raw)))
    return false
  const [attribute, ...others] = derChildren(parts.at(-1)!, TAG.set)
  return others.length === 0 && derOid(derChildren(attribute!, TAG.sequence)[0]) === COMMON_NAME
}

function refused(what: string): MdmError {
  return new MdmError('MDM_UNAUTHENTICATED', `the proxy ${what}`)
}
