import type { X509Certificate } from 'node:crypto'
import { readCertificate, type CertificateIdentity } from '../certificate.ts'
import type { Revocations } from '../crl/revocations.ts'
import { requireIssuedBy, requireValid, type UserCa } from '../issued.ts'
import type { TrustedRoster } from '../roster.ts'
import { isStronglySigned } from '../strength.ts'
import type { AttributeCertificate } from './attribute-certificate.ts'
import { carriedBy } from './carried.ts'
import type { VomsServerName } from './lsc.ts'
import { orAbsent } from './or-absent.ts'

/** How the certificates of a VOMS server are called, by its VO and host (in small letters); empty for one not trusted. */
export type ServerNames = (vo: string, host: string) => readonly VomsServerName[]

/** What an attribute certificate is held against. */
interface Circumstances {
  readonly names: ServerNames
  readonly roster: TrustedRoster
  readonly now: Date
  readonly revocations: Revocations
}

/**
 * The FQANs of all attribute certificates of a chain that hold, those nearest the end-entity certificate first, each FQAN once.
 *
 * One that does not hold takes none of the others with it: each stands for itself.
 *
 * @param chain verified: leaf first, the end-entity certificate last
 * @see RFC 5755 section 5
 */
export function fqansIn(chain: readonly X509Certificate[], o: Circumstances): string[] {
  const [owner, ...proxies] = [...chain].reverse()
  const carried = proxies.flatMap(carriedBy)
  if (owner === undefined || carried.length === 0) return []
  const holder = orAbsent(() => identityOf(owner))
  if (holder === undefined) return []
  const holding = carried.filter((one) => isFor(one, holder) && holds(one, o))
  return [...new Set(holding.flatMap(({ attributes }) => attributes.fqans))]
}

/** True when it was made out to this certificate: serial number and issuer; servers write the subject in the issuer's place, too. */
function isFor({ holder }: AttributeCertificate, { serial, issuer, dn }: CertificateIdentity): boolean {
  return holder.serial === serial && (holder.issuer === issuer || holder.issuer === dn)
}

/** True when a VOMS server that the operator trusts for this VO signed it, and both are good now. */
function holds(one: AttributeCertificate, { names, roster, now, revocations }: Circumstances): boolean {
  const { vo, host } = one.attributes
  const { certificate, identity } = one.signer
  if (one.issuer !== identity.dn || now < one.notBefore || now > one.notAfter) return false
  const isNamed = names(vo, host).some(
    ({ subject, issuer }) => subject === identity.dn && issuer === identity.issuer,
  )
  const isGood = (ca: UserCa) =>
    passes(() => {
      requireIssuedBy(ca, certificate, identity, 'attributes')
      requireValid(ca.identity, now)
      requireValid(identity, now)
      revocations.requireMayName(ca, identity)
      revocations.requireUnrevoked(ca, identity, now)
    })
  // The signature last: the key is out of the certificate, and only now is it known whose it is.
  return isNamed && roster.userCas.some(isGood) && isSigned(one)
}

const signed = new WeakMap<AttributeCertificate, boolean>()

function isSigned(one: AttributeCertificate): boolean {
  const verdict = signed.get(one) ?? isStronglySigned(one.signed, one.signer.key)
  signed.set(one, verdict)
  return verdict
}

function passes(check: () => void): boolean {
  const passed = orAbsent(() => {
    check()
    return true
  })
  return passed === true
}

const identities = new WeakMap<X509Certificate, CertificateIdentity>()

function identityOf(certificate: X509Certificate): CertificateIdentity {
  const identity = identities.get(certificate) ?? readCertificate(certificate.raw)
  identities.set(certificate, identity)
  return identity
}
