import { derBoolean, derChildren, derOid, expectTag, malformed, readDer, TAG, type DerValue } from './der.ts'

/** One extension of a certificate, of a revocation list or of an entry of one (RFC 5280 section 4.1.2.9). */
export interface Extension {
  readonly critical: boolean
  readonly value: DerValue
}

/**
 * Extensions by their OID.
 *
 * @param sequence the value of type Extensions
 * @throws MDM_UNAUTHENTICATED when malformed, or one of them is there twice
 */
export function extensionsOf(sequence: DerValue): Map<string, Extension> {
  const found = new Map<string, Extension>()
  for (const extension of derChildren(sequence, TAG.sequence)) {
    const parts = derChildren(extension, TAG.sequence)
    const oid = derOid(parts.shift())
    const critical = parts[0]?.tag === TAG.boolean && derBoolean(parts.shift())
    const value = expectTag(parts.shift(), TAG.octetString)
    // Twice the same extension would let each reader choose another one (RFC 5280 section 4.2).
    if (parts.length > 0 || found.has(oid)) throw malformed('an extension')
    found.set(oid, { critical, value: readDer(value.content) })
  }
  return found
}
