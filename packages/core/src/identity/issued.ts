import type { X509Certificate } from 'node:crypto'
import { MdmError } from '../errors.ts'
import { EXTENSION, isForClients, type CertificateIdentity } from './certificate.ts'
import { isBelow, type Dn } from './dn.ts'
import { requireStrongKey, requireStrongSignature } from './strength.ts'

/** A CA whose user certificates a site accepts, for names below its name spaces only. */
export interface UserCa {
  readonly certificate: X509Certificate
  readonly identity: CertificateIdentity
  readonly nameSpaces: readonly Dn[]
}

/** What was found good: a CA that a roster names and a certificate do not change, and a connection shows it again and again. */
const issued = new WeakMap<X509Certificate, WeakSet<UserCa>>()

/** What a certificate is shown for: to sign in, or as the one of a VOMS server, which is often made for servers only. */
export type Use = 'client' | 'attributes'

/** Extensions whose meaning is checked here, or that cannot widen what a certificate is good for. */
const UNDERSTOOD = new Set<string>(Object.values(EXTENSION).filter((oid) => oid !== EXTENSION.proxyCertInfo))

/**
 * Fails unless `ca` signed this user certificate and may have done so: issuer name and signature, CA flag and key usage of
 * the CA, name space, strength, client use, no CA rights and no unknown critical extension in the leaf. Validity is left to
 * requireValid, so that a forged certificate is never called expired.
 *
 * @throws MDM_UNAUTHENTICATED
 * @see RFC 5280 section 6.1, for a path of one certificate
 */
export function requireIssuedBy(
  ca: UserCa,
  certificate: X509Certificate,
  identity: CertificateIdentity,
  use: Use = 'client',
): void {
  if (use === 'client' && !isForClients(identity)) throw refused('is not made for clients')
  if (issued.get(certificate)?.has(ca) === true) return
  requireCa(ca.identity)
  requireStrongSignature(identity)
  requireStrongKey(identity)
  if (identity.issuer !== ca.identity.dn || !certificate.checkIssued(ca.certificate))
    throw refused('has another issuer')
  if (!isSignedBy(certificate, ca.certificate)) throw refused('is not signed by its issuer')
  requireEndEntity(identity)
  if (!ca.nameSpaces.some((space) => isBelow(identity.dn, space)))
    throw refused('has a name its issuer may not give')
  issued.set(certificate, (issued.get(certificate) ?? new WeakSet()).add(ca))
}

/** Fails unless the certificate is one of a CA that may sign certificates. @throws MDM_UNAUTHENTICATED */
export function requireCa(identity: CertificateIdentity): void {
  requireStrongKey(identity)
  requireUnderstood(identity)
  if (!identity.isCa || identity.keyUsage?.keyCertSign === false)
    throw refused('of the issuer is not one of a CA')
}

/** Fails outside the validity of a certificate; `now` is the server's clock. @throws MDM_CREDENTIAL_EXPIRED */
export function requireValid(identity: CertificateIdentity, now: Date, whose = 'the certificate'): void {
  if (now < identity.notBefore) throw new MdmError('MDM_CREDENTIAL_EXPIRED', `${whose} is not valid yet`)
  if (now > identity.notAfter) throw new MdmError('MDM_CREDENTIAL_EXPIRED', `${whose} has expired`)
}

function requireEndEntity(identity: CertificateIdentity): void {
  if (identity.isCa || identity.keyUsage?.keyCertSign === true) throw refused('is one of a CA, not of a user')
  if (identity.keyUsage?.digitalSignature === false) throw refused('is not made for signing in')
  requireUnderstood(identity)
}

function requireUnderstood(identity: CertificateIdentity): void {
  for (const [oid, critical] of identity.extensions) {
    if (critical && !UNDERSTOOD.has(oid))
      throw refused('has a critical extension that is not understood here')
  }
}

/** True when the private key of `issuer` signed the certificate. */
export function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey)
  } catch {
    return false
  }
}

function refused(what: string): MdmError {
  return new MdmError('MDM_UNAUTHENTICATED', `the certificate ${what}`)
}
