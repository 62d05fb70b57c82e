import { createHash, createPublicKey, KeyObject } from 'node:crypto'
import { MdmError } from '../errors.ts'

/**
 * SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) of a public or private key, as base64 of its DER. In one spelling, whichever the
 * key was read from: that of an elliptic curve by the curve's name and with the whole point (RFC 5480 section 2).
 */
export function spkiOf(key: KeyObject): string {
  return spkiDer(key).toString('base64')
}

/**
 * SHA-256 of a SubjectPublicKeyInfo, in hex: the name of a key everywhere in MDM.
 *
 * @param key a public or private key, or the DER itself
 */
export function spkiDigest(key: KeyObject | Buffer): string {
  return createHash('sha256')
    .update(key instanceof KeyObject ? spkiDer(key) : key)
    .digest('hex')
}

/**
 * Reads what spkiOf wrote. One key has one spelling: other base64 or BER of the same key is refused, since digests name keys.
 *
 * @throws MDM_BAD_REQUEST when the text is not the one spelling of a public key
 */
export function keyFromSpki(base64: string): KeyObject {
  let key: KeyObject
  try {
    key = createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' })
  } catch (cause) {
    throw new MdmError('MDM_BAD_REQUEST', 'not a SubjectPublicKeyInfo in base64', { cause })
  }
  if (spkiOf(key) !== base64)
    throw new MdmError('MDM_BAD_REQUEST', 'a SubjectPublicKeyInfo in another spelling than its own')
  return key
}

function spkiDer(key: KeyObject): Buffer {
  if (key.type === 'secret') throw new MdmError('MDM_INTERNAL', 'a secret key has no SubjectPublicKeyInfo')
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  const spelled = publicKey.asymmetricKeyType === 'ec' ? respelled(publicKey) : publicKey
  return spelled.export({ format: 'der', type: 'spki' })
}

/** OpenSSL writes a point, and the parameters of a curve, in the form in which it read them; a JWK has only one. */
function respelled(key: KeyObject): KeyObject {
  try {
    return createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' })
  } catch {
    // A curve without a name there is none that is accepted anywhere.
    return key
  }
}
