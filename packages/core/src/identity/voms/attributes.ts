import type { X509Certificate } from 'node:crypto'
import { MdmError } from '../../errors.ts'
import { readCertificate, type CertificateIdentity } from '../certificate.ts'
import type { Revocations } from '../crl/revocations.ts'
import { isBelow } from '../dn.ts'
import { requireIssuedBy, requireValid, type UserCa } from '../issued.ts'
import type { TrustedRoster } from '../roster.ts'
import { isStronglySigned } from '../strength.ts'
import type { AttributeCertificate } from './attribute-certificate.ts'
import { carriedBy, refusalOf } from './carried.ts'
import type { VomsAttributes } from './fqan-attribute.ts'
import type { VomsServerName } from './lsc.ts'

/** How the certificates of a VOMS server are called, by its VO and host (in small letters); empty for one not trusted. */
export type ServerNames = (vo: string, host: string) => readonly VomsServerName[]

/** Attribute certificates of one chain that are looked at. */
const MAX_IN_CHAIN = 16

/** What an attribute certificate is held against. */
export interface Circumstances {
  readonly names: ServerNames
  readonly roster: TrustedRoster
  readonly now: Date
  readonly revocations: Revocations
}

/** One attribute certificate of a chain: what it says, and why that does not count. */
export interface Verdict {
  /** absent where it cannot be read */
  readonly attributes?: VomsAttributes
  /** absent where it holds */
  readonly refusal?: MdmError
}

/**
 * The attribute certificates in the proxies of a chain, those nearest the end-entity certificate first, and which of them hold. One
 * that does not takes none of the others with it: each stands for itself.
 *
 * @param chain verified: leaf first, the end-entity certificate last
 * @see RFC 5755 section 5
 */
export function verdictsOn(chain: readonly X509Certificate[], o: Circumstances): Verdict[] {
  const [owner, ...proxies] = [...chain].reverse()
  const carried = proxies.flatMap(carriedBy).slice(0, MAX_IN_CHAIN)
  if (owner === undefined || carried.length === 0) return []
  const holder = refusalOf(() => identityOf(owner))
  if (holder instanceof MdmError) return [{ refusal: holder }]
  return carried.map((one) => {
    if (one instanceof MdmError) return { refusal: one }
    const refusal = refusalOf(() => requireHolds(one, holder, o))
    return { attributes: one.attributes, ...(refusal === undefined ? {} : { refusal }) }
  })
}

/** Fails unless a VOMS server that the operator trusts for this VO signed it for this certificate, and both are good now. */
function requireHolds(
  one: AttributeCertificate,
  holder: CertificateIdentity,
  { names, roster, now, revocations }: Circumstances,
): void {
  const { vo, host } = one.attributes
  const { certificate, identity } = one.signer
  requireFor(one, holder, roster.userCas)
  if (now < one.notBefore) throw refused('they are not valid yet')
  if (now > one.notAfter) throw refused('they have ended')
  const known = names(vo, host)
  if (known.length === 0) throw refused('there is no LSC file of this VO and VOMS server')
  if (one.issuer !== identity.dn) throw refused('they are by another than the certificate that they bring')
  if (!known.some(({ subject, issuer }) => subject === identity.dn && issuer === identity.issuer))
    throw refused('the LSC file names another certificate than the one that signed them')
  const cas = roster.userCas.filter((ca) => ca.identity.dn === identity.issuer)
  requireGoodSigner(cas, (ca) => {
    requireIssued(ca, one.signer)
    requireValid(ca.identity, now, 'the certificate of the CA')
    requireValid(identity, now)
    revocations.requireUnrevoked(ca, identity, now)
  })
  // The signature last: only now is it known whose key it is, and that it can be read.
  const verdict = signed.get(one) ?? isStronglySigned(one.signed, certificate.publicKey)
  signed.set(one, verdict)
  if (!verdict) throw refused('they are not signed by the VOMS server')
}

const signed = new WeakMap<AttributeCertificate, boolean>()

/**
 * By serial number and issuer. Many servers write the subject in the issuer's place; then two CAs that gave one name and one number
 * could not be told apart, so one CA alone may be able to give the name.
 */
function requireFor(
  { holder }: AttributeCertificate,
  { serial, issuer, dn }: CertificateIdentity,
  cas: readonly UserCa[],
): void {
  if (holder.serial !== serial) throw refused('they are for another certificate')
  if (holder.issuer === issuer) return
  if (holder.issuer !== dn) throw refused('they are for another certificate')
  const others = cas.filter(({ identity }) => identity.dn !== issuer)
  if (others.some((ca) => ca.identity.dn === dn || ca.nameSpaces.some((space) => isBelow(dn, space))))
    throw refused(
      'they name their holder by subject alone, which two CAs of the roster may give: start the VOMS server with --newformat, or narrow the name spaces',
    )
}

/** What was not issued by a CA never will be; asked again for every request, many of them would keep a server busy. */
const foreign = new WeakMap<X509Certificate, WeakMap<UserCa, MdmError>>()

function requireIssued(ca: UserCa, { certificate, identity }: AttributeCertificate['signer']): void {
  const known = foreign.get(certificate) ?? new WeakMap<UserCa, MdmError>()
  const refusal = known.get(ca) ?? refusalOf(() => requireIssuedBy(ca, certificate, identity, 'attributes'))
  if (refusal === undefined) return
  foreign.set(certificate, known.set(ca, refusal))
  throw refusal
}

/** Fails unless the check passes for one of the CAs: one that renewed its key stands in the roster twice under one name. */
function requireGoodSigner(cas: readonly UserCa[], check: (ca: UserCa) => void): void {
  let refusal: MdmError | undefined
  for (const ca of cas) {
    const result = refusalOf(() => check(ca))
    if (result === undefined) return
    refusal = new MdmError(result.code, `the VOMS server: ${result.message}`, { cause: result })
  }
  throw refusal ?? refused('the roster does not name the CA of the VOMS server')
}

const identities = new WeakMap<X509Certificate, CertificateIdentity>()

function identityOf(certificate: X509Certificate): CertificateIdentity {
  const identity = identities.get(certificate) ?? readCertificate(certificate.raw)
  identities.set(certificate, identity)
  return identity
}

function refused(why: string): MdmError {
  return new MdmError('MDM_UNAUTHENTICATED', why)
}
