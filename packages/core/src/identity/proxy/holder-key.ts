import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { spkiOf } from '../../crypto/spki.ts'
import { MdmError } from '../../errors.ts'
import { derChildren, derOid, expectTag, readDer, TAG } from '../der.ts'
import { isStronglySigned, requireStrongKey } from '../strength.ts'

/** RSA, since ARC's TLS 1.2 fails with the keys of elliptic curves that curl, davix and gfal2 take. */
const MODULUS_BITS = 2048
const NULL = Buffer.from('0500', 'hex')

/** A new key for the holder of a proxy. */
export async function newHolderKey(): Promise<{
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}> {
  return await promisify(generateKeyPair)('rsa', { modulusLength: MODULUS_BITS })
}

/**
 * The public key that a proxy is to be made for.
 *
 * @param text PEM: a public key (SubjectPublicKeyInfo), or a certificate request (PKCS#10) that its own key signed
 * @throws MDM_USAGE for anything else, a private key among them, and for a key that is too weak
 */
export function readHolderKey(text: string): KeyObject {
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g)]
  if (blocks.some(([, kind]) => kind!.endsWith('PRIVATE KEY')))
    throw new MdmError(
      'MDM_USAGE',
      'this holds a private key, which stays where it was made: give the public one',
    )
  const [block, ...others] = blocks
  if (block === undefined || others.length > 0) throw noKey()
  const [, kind, base64 = ''] = block
  const bytes = Buffer.from(base64, 'base64')
  try {
    const der = kind === 'PUBLIC KEY' ? bytes : requestedKey(bytes, kind!)
    // As certificates have it, whichever of its spellings a tool wrote.
    const spkiDer = spkiOf(createPublicKey({ key: der, format: 'der', type: 'spki' }))
    requireStrongKey({ spkiDer })
    return createPublicKey({ key: Buffer.from(spkiDer, 'base64'), format: 'der', type: 'spki' })
  } catch (cause) {
    throw noKey(cause)
  }
}

/** The SubjectPublicKeyInfo of a request, which proves that the key is held (RFC 2986 section 4). */
function requestedKey(request: Buffer, kind: string): Buffer {
  if (!/^(?:NEW )?CERTIFICATE REQUEST$/.test(kind)) throw noKey()
  const [info, algorithm, signature, ...more] = derChildren(readDer(request, TAG.sequence))
  const spki = expectTag(derChildren(expectTag(info, TAG.sequence))[2], TAG.sequence).raw
  const [oid, ...parameters] = derChildren(expectTag(algorithm, TAG.sequence))
  const [unused, ...bits] = expectTag(signature, TAG.bitString).content
  const signed = { data: info!.raw, signature: Buffer.from(bits), algorithm: derOid(oid) }
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  // One request has one spelling: what is not signed has no room for anything else.
  const strict = more.length === 0 && unused === 0 && parameters.every(({ raw }) => raw.equals(NULL))
  if (!strict || !isStronglySigned(signed, key)) throw noKey()
  return spki
}

function noKey(cause?: unknown): MdmError {
  const what =
    'not one public key or signed certificate request in PEM, of RSA 2048, P-256, P-384 or Ed25519 at least'
  return new MdmError('MDM_USAGE', what, { cause })
}
