import type { X509Certificate } from 'node:crypto'
import { MdmError } from '../errors.ts'
import type { KeyServerId, SiteId } from '../names.ts'
import { findEndEntity, requireProxiesValid, type EndEntity } from './chain.ts'
import { NO_LISTS, type Revocations } from './crl/revocations.ts'
import type { Dn } from './dn.ts'
import { requireIssuedBy, requireValid, type UserCa } from './issued.ts'
import type { TrustedRoster } from './roster.ts'
import type { Limits } from './limits.ts'
import { requireStrongKey } from './strength.ts'
import { NO_VOMS, type VomsServers } from './voms/voms-servers.ts'

/** Who calls: what every decision is made from. `issuer` is the name of the CA, so equal names of two CAs are two users. */
export type Caller =
  | {
      readonly kind: 'user'
      /** of the end-entity certificate, also where a proxy calls */
      readonly dn: Dn
      readonly issuer: Dn
      /** SHA-256 of the SubjectPublicKeyInfo whose key was proven, hex: a proxy's own, so that none passes for an administrator's */
      readonly spki: string
      /** the earliest end of a certificate of the chain */
      readonly notAfter: Date
      /** VOMS attributes, as VomsServers gives them */
      readonly fqans: string[]
      /** how a proxy may act for its owner (RFC 3820 section 3.8.2); absent where the owner's own key was proven */
      readonly proxy?: 'full' | 'limited' | 'restricted'
      /** what a restricted proxy, and every proxy below it, is narrowed to */
      readonly limits?: Limits
    }
  | {
      readonly kind: 'service'
      readonly site: SiteId
      readonly dn: Dn
      readonly issuer: Dn
      readonly spki: string
      readonly notAfter: Date
    }
  /** A key server of the roster: it may compare lists with the others (isGridService) and has no right of its own. */
  | {
      readonly kind: 'key-server'
      readonly site: SiteId
      readonly id: KeyServerId
      readonly dn: Dn
      readonly issuer: Dn
      readonly spki: string
      readonly notAfter: Date
    }

/**
 * Says who a peer is, from the certificates it proved the key of in TLS and from the roster alone. Called on every request,
 * since a certificate may expire or be revoked while a connection is open.
 *
 * A service or key server is known by its key; a user by a certificate that a CA of the roster issued below its name spaces and
 * has not revoked. A proxy (RFC 3820) is the user at whose certificate its chain ends, with the rights its policy leaves.
 *
 * @param chain leaf first; TLS proved that the peer holds the leaf's private key
 * @param revocations what a server knows of them; a client knows of none
 * @param voms        whose attributes count
 * @throws MDM_UNAUTHENTICATED | MDM_CREDENTIAL_EXPIRED | MDM_REVOKED | MDM_CRL
 * @see decisions 6, 30 and 47; RFC 5280 section 6; RFC 3820 section 4
 */
export function identify(
  chain: readonly X509Certificate[],
  roster: TrustedRoster,
  now: Date,
  revocations: Revocations = NO_LISTS,
  voms: VomsServers = NO_VOMS,
): Caller {
  const entity = findEndEntity(chain)
  const { dn, spki } = entity.identity
  if (entity.delegation === undefined) {
    if (roster.services.has(spki)) return { kind: 'service', ...service(entity, roster, now) }
    const id = roster.keyServerTls.get(spki)
    if (id !== undefined) return { kind: 'key-server', id, ...service(entity, roster, now) }
  } else if (roster.services.has(spki) || roster.keyServerTls.has(spki)) {
    throw new MdmError('MDM_UNAUTHENTICATED', 'a service is known by its own certificate, never by a proxy')
  }
  const ca = issuerOf(entity, roster, now)
  requireProxiesValid(entity, now)
  revocations.requireMayName(ca, entity.identity)
  revocations.requireUnrevoked(ca, entity.identity, now)
  const fqans = voms.fqansOf(entity.chain, roster, now, revocations)
  return {
    kind: 'user',
    ...{ dn, issuer: ca.identity.dn, spki: entity.spki, notAfter: entity.notAfter, fqans },
    ...entity.delegation,
  }
}

/**
 * True for the services that a roster names: the site and its key servers. They alone, beside its administrators, may read the
 * heads and statements of key lists, bans and groups, so that a server that was put back catches up (decision 23).
 */
export function isGridService(caller: Caller, site: SiteId): boolean {
  return caller.kind !== 'user' && caller.site === site
}

function service({ identity }: EndEntity, roster: TrustedRoster, now: Date) {
  requireStrongKey(identity)
  requireValid(identity, now)
  const { dn, issuer, spki, notAfter } = identity
  return { site: roster.body.site, dn, issuer, spki, notAfter }
}

/** The CA of the roster that issued a user's certificate and is good, as the certificate is. */
function issuerOf({ certificate, identity }: EndEntity, roster: TrustedRoster, now: Date): UserCa {
  let reason: unknown
  // A CA that renewed its key stands in the roster twice under one name: the one that signed decides.
  for (const ca of roster.userCas.filter((known) => known.identity.dn === identity.issuer)) {
    try {
      requireIssuedBy(ca, certificate, identity)
      requireValid(ca.identity, now, 'the certificate of the CA')
      requireValid(identity, now)
      return ca
    } catch (error) {
      if (!isExpiry(reason)) reason = error
    }
  }
  throw (
    reason ?? new MdmError('MDM_UNAUTHENTICATED', 'the certificate is of a CA that this site does not accept')
  )
}

function isExpiry(error: unknown): boolean {
  return error instanceof MdmError && error.code === 'MDM_CREDENTIAL_EXPIRED'
}
