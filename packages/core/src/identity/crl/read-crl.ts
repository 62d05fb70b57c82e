import { MdmError } from '../../errors.ts'
import {
  derChildren,
  derInteger,
  derItems,
  derOid,
  derTime,
  expectTag,
  readDer,
  TAG,
  type DerValue,
} from '../der.ts'
import { dnFromDer, type Dn } from '../dn.ts'
import { extensionsOf } from '../extensions.ts'
import type { UserCa } from '../issued.ts'
import { isStronglySigned } from '../strength.ts'

/** Longest revocation list that is read, bytes: some 200,000 certificates. */
export const MAX_CRL = 8 * 1024 * 1024

/** A revocation list as it came: who it says it is of, and what is to be verified. Nothing of it is believed yet. */
export interface UnverifiedCrl {
  readonly issuer: Dn
  readonly fields: readonly DerValue[]
  readonly signed: { readonly data: Buffer; readonly signature: Buffer; readonly algorithm: string }
}

/** What a CA has revoked: verified, whole, of all its certificates. */
export interface Crl {
  readonly issuer: Dn
  readonly thisUpdate: Date
  /** after this moment the list says nothing of the certificates that are not on it */
  readonly nextUpdate: Date
  readonly number: bigint
  /** when each certificate was revoked, by its serial number (hex, as CertificateIdentity has it) */
  readonly revoked: ReadonlyMap<string, Date>
}

const EXTENSION = { crlNumber: '2.5.29.20', authorityKeyIdentifier: '2.5.29.35' } as const
const UNDERSTOOD = new Set<string>(Object.values(EXTENSION))

/**
 * Opens a revocation list (RFC 5280 section 5.1) as far as is needed to see which CA must have signed it.
 *
 * @throws MDM_CRL when malformed or longer than MAX_CRL
 */
export function openCrl(der: Buffer): UnverifiedCrl {
  return coded('the revocation list is malformed', () => {
    const [tbs, outer, signature, ...rest] = derChildren(readDer(der, TAG.sequence, MAX_CRL))
    const bits = expectTag(signature, TAG.bitString).content
    const fields = derChildren(expectTag(tbs, TAG.sequence))
    // Version 1 has no version field; version 2 is written as 1.
    const version = fields[0]?.tag === TAG.integer ? derInteger(fields.shift()) : '00'
    const [algorithm, issuer, ...more] = fields
    // Both copies of the algorithm must be the same, or the signed one means nothing (RFC 5280 section 5.1.1.2).
    const same = expectTag(algorithm, TAG.sequence).raw.equals(expectTag(outer, TAG.sequence).raw)
    if (rest.length > 0 || bits[0] !== 0 || !same || !['00', '01'].includes(version)) throw unusable()
    if (version === '00' && more.some(({ tag }) => tag === 0xa0)) throw unusable()
    return {
      issuer: dnFromDer(expectTag(issuer, TAG.sequence).raw),
      fields: more,
      signed: {
        data: tbs!.raw,
        signature: bits.subarray(1),
        algorithm: derOid(derChildren(algorithm!)[0]),
      },
    }
  })
}

/**
 * Verifies a revocation list and reads it. One that is not complete is refused: a delta, an indirect or partitioned one, one
 * without an end, and any with a critical extension that is not understood here (RFC 5280 sections 5.2 and 6.3).
 *
 * @throws MDM_CRL when the CA did not sign it, may not sign lists, or the list is refused or malformed
 */
export function readCrl({ issuer, fields, signed }: UnverifiedCrl, ca: UserCa): Crl {
  if (issuer !== ca.identity.dn) throw unusable('the revocation list is of another CA')
  if (ca.identity.keyUsage?.cRLSign === false)
    throw unusable('the certificate of the CA does not let it sign revocation lists')
  if (!isStronglySigned(signed, ca.certificate.publicKey))
    throw unusable('the revocation list is not signed by its CA')
  return coded('the revocation list is malformed', () => {
    const [thisUpdate, ...rest] = fields
    if (!isTime(rest[0])) throw unusable('the revocation list does not say when it ends')
    const nextUpdate = derTime(rest.shift())
    const entries = rest[0]?.tag === TAG.sequence ? rest.shift() : undefined
    const extensions = rest[0]?.tag === 0xa0 ? readDer(rest.shift()!.content, TAG.sequence) : undefined
    if (rest.length > 0) throw unusable()
    return {
      issuer,
      ...{ thisUpdate: derTime(thisUpdate), nextUpdate },
      number: numberOf(extensions),
      revoked: entries === undefined ? new Map<string, Date>() : revokedOf(entries),
    }
  })
}

function revokedOf(entries: DerValue): Map<string, Date> {
  const revoked = new Map<string, Date>()
  for (const entry of derItems(entries)) {
    const [serial, date, extensions, ...rest] = derChildren(entry, TAG.sequence)
    if (rest.length > 0) throw unusable()
    // A critical one, such as the certificate issuer of an indirect list, changes which certificate is meant.
    if (extensions !== undefined) requireUnderstood(extensionsOf(extensions))
    revoked.set(derInteger(serial), derTime(date))
  }
  return revoked
}

function numberOf(extensions: DerValue | undefined): bigint {
  if (extensions === undefined) return 0n
  const found = extensionsOf(extensions)
  requireUnderstood(found)
  const number = found.get(EXTENSION.crlNumber)
  return number === undefined ? 0n : BigInt(`0x${derInteger(number.value)}`)
}

function requireUnderstood(extensions: ReadonlyMap<string, { readonly critical: boolean }>): void {
  for (const [oid, { critical }] of extensions) {
    if (critical && !UNDERSTOOD.has(oid))
      throw unusable(
        'the revocation list is a delta, partial, or has a critical extension not understood here',
      )
  }
}

function isTime(value: DerValue | undefined): boolean {
  return value?.tag === TAG.utcTime || value?.tag === TAG.generalizedTime
}

/** What the readers of DER throw is about certificates; here it is about a list. */
function coded<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof MdmError && cause.code === 'MDM_CRL') throw cause
    throw new MdmError('MDM_CRL', what, { cause })
  }
}

function unusable(what = 'the revocation list is malformed'): MdmError {
  return new MdmError('MDM_CRL', what)
}
