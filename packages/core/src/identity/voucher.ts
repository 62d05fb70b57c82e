import { sign, verify, type KeyObject } from 'node:crypto'

/** Says what is signed, so that no other signature of the same key can pass for a voucher. */
const PURPOSE = 'mdm key server tls key v1\n'

/**
 * A key server's long-lived identity key vouches for one of its TLS keys.
 *
 * @param identityKey private Ed25519 key whose SPKI digest is the server's id
 * @param tlsSpki     SubjectPublicKeyInfo of the TLS key, base64 of its DER as crypto/spki writes it
 * @returns the signature, base64
 */
export function vouchTls(identityKey: KeyObject, tlsSpki: string): string {
  return sign(null, Buffer.from(PURPOSE + tlsSpki), identityKey).toString('base64')
}

/** True when the voucher is the identity key's word for this TLS key. */
export function isVouched(identityKey: KeyObject, tls: { spki: string; voucher: string }): boolean {
  const signature = Buffer.from(tls.voucher, 'base64')
  return verify(null, Buffer.from(PURPOSE + tls.spki), identityKey, signature)
}
