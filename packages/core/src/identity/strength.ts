import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { spkiOf } from '../crypto/spki.ts'
import { MdmError } from '../errors.ts'
import type { CertificateIdentity } from './certificate.ts'

/** RSA and ECDSA with SHA-2, and Ed25519; never SHA-1 or MD5 (RFC 4055, RFC 5758, RFC 8410). */
const SIGNATURES: ReadonlyMap<string, { readonly key: string; readonly hash: string | null }> = new Map([
  ['1.2.840.113549.1.1.11', { key: 'rsa', hash: 'sha256' }],
  ['1.2.840.113549.1.1.12', { key: 'rsa', hash: 'sha384' }],
  ['1.2.840.113549.1.1.13', { key: 'rsa', hash: 'sha512' }],
  ['1.2.840.10045.4.3.2', { key: 'ec', hash: 'sha256' }],
  ['1.2.840.10045.4.3.3', { key: 'ec', hash: 'sha384' }],
  ['1.2.840.10045.4.3.4', { key: 'ec', hash: 'sha512' }],
  ['1.3.101.112', { key: 'ed25519', hash: null }],
])

/** Fails unless the issuer signed with an algorithm nobody can forge today. @throws MDM_UNAUTHENTICATED */
export function requireStrongSignature(certificate: CertificateIdentity): void {
  if (!SIGNATURES.has(certificate.signatureAlgorithm))
    throw weak('is signed with an algorithm that is not accepted')
}

/** True when `key` made this signature, by an algorithm nobody can forge today. @param algorithm its OID */
export function isStronglySigned(
  signed: { readonly data: Buffer; readonly signature: Buffer; readonly algorithm: string },
  key: KeyObject,
): boolean {
  const algorithm = SIGNATURES.get(signed.algorithm)
  if (algorithm === undefined || key.asymmetricKeyType !== algorithm.key) return false
  try {
    return verify(algorithm.hash, signed.data, key, signed.signature)
  } catch {
    return false
  }
}

/**
 * Fails unless the key is RSA of 2048 to 8192 bits, P-256, P-384 or Ed25519, written in its one spelling. An RSA exponent is odd and
 * of 17 to 32 bits: with 1 anybody can sign, and one as long as the modulus makes every check of a signature slow.
 *
 * @throws MDM_UNAUTHENTICATED
 * @see NIST SP 800-56B section 6.2 for small exponents
 */
export function requireStrongKey(certificate: Pick<CertificateIdentity, 'spkiDer'>): void {
  const der = Buffer.from(certificate.spkiDer, 'base64')
  let spelling: string
  let strong: boolean
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    const { namedCurve = '' } = key.asymmetricKeyDetails ?? {}
    strong =
      key.asymmetricKeyType === 'ed25519' ||
      isStrongRsa(key) ||
      (key.asymmetricKeyType === 'ec' && ['prime256v1', 'secp384r1'].includes(namedCurve))
    spelling = spkiOf(key)
  } catch (cause) {
    throw weak('holds a key that cannot be read', cause)
  }
  // Administrators and services are known by the digest of these bytes, so the same key must not have two.
  if (!strong || spelling !== certificate.spkiDer)
    throw weak('holds a key of a kind or size that is not accepted')
}

function isStrongRsa({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {}
  const isSound = publicExponent % 2n === 1n && publicExponent > 0xffffn && publicExponent <= 0xffff_ffffn
  return asymmetricKeyType === 'rsa' && modulusLength >= 2048 && modulusLength <= 8192 && isSound
}

function weak(what: string, cause?: unknown): MdmError {
  return new MdmError('MDM_UNAUTHENTICATED', `the certificate ${what}`, { cause })
}
