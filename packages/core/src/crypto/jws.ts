import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
// Not from 'jose': that is 46 files, of which these need 16, and every start of the client waits for them.
import { CompactSign } from 'jose/jws/compact/sign'
import { compactVerify } from 'jose/jws/compact/verify'
import { MdmError } from '../errors.ts'

/** Longest JWS that is read or written, in characters. */
export const MAX_JWS = 65_536

/**
 * Signs a JSON object as a compact JWS (RFC 7515); the algorithm follows from the key and from nothing else.
 *
 * @param key  private Ed25519 (EdDSA), P-256 (ES256) or RSA of 2048 bits or more (PS256)
 * @param o    `typ` says what the object is (RFC 8725 section 3.11), `kid` names the key
 * @throws MDM_CONFIG when the key is of another kind
 * @throws MDM_BAD_REQUEST when the result would be longer than MAX_JWS
 */
export async function signJws(
  payload: object,
  key: KeyObject,
  o: { typ: string; kid: string },
): Promise<string> {
  const alg = algorithmOf(key)
  if (alg === undefined || key.type !== 'private')
    throw new MdmError('MDM_CONFIG', 'this key cannot sign a JWS')
  const body = Buffer.from(JSON.stringify(payload))
  if (body.length > MAX_JWS) throw new MdmError('MDM_BAD_REQUEST', 'too long for a JWS')
  const signed = await new CompactSign(body).setProtectedHeader({ alg, typ: o.typ, kid: o.kid }).sign(key)
  const jws = alg === 'ES256' ? withLowS(signed) : signed
  if (jws.length > MAX_JWS) throw new MdmError('MDM_BAD_REQUEST', 'too long for a JWS')
  return jws
}

/**
 * Verifies a compact JWS and returns its payload. The header is `alg`, `typ`, `kid` and nothing else, `alg` is the one of the
 * key, and a signature has one spelling, so that a text and its digest are as good as the content.
 *
 * @throws MDM_INTEGRITY when anything of that is not so
 */
export async function verifyJws(jws: string, publicKey: KeyObject, typ: string): Promise<unknown> {
  try {
    const parts = parse(jws)
    const key = publicKey.type === 'private' ? createPublicKey(publicKey) : publicKey
    const alg = algorithmOf(key)
    if (alg === undefined || parts.alg !== alg) throw new Error('the algorithm is not the one of the key')
    if (parts.typ !== typ) throw new Error('another kind of object')
    if (alg === 'ES256' && !isLowS(parts.signature)) throw new Error('the signature has another spelling')
    await compactVerify(jws, key, { algorithms: [alg] })
    return parts.payload
  } catch (cause) {
    throw new MdmError('MDM_INTEGRITY', `not a ${typ} signed by the key expected`, { cause })
  }
}

/**
 * Reads a JWS WITHOUT verifying it: only to find the key that verifies it.
 *
 * @throws MDM_BAD_REQUEST when malformed or longer than MAX_JWS
 */
export function peekJws(jws: string): { typ: string; kid: string; payload: unknown } {
  try {
    const { typ, kid, payload } = parse(jws)
    return { typ, kid, payload }
  } catch (cause) {
    throw new MdmError('MDM_BAD_REQUEST', 'not a compact JWS of ours', { cause })
  }
}

/** SHA-256 of the text of a JWS, in hex: what `prev` fields and fingerprints hold. */
export function jwsDigest(jws: string): string {
  return createHash('sha256').update(jws, 'utf8').digest('hex')
}

function algorithmOf(key: KeyObject): 'EdDSA' | 'ES256' | 'PS256' | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'ed25519') return 'EdDSA'
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return 'ES256'
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048) return 'PS256'
  return undefined
}

interface Parts {
  alg: string
  typ: string
  kid: string
  payload: object
  signature: Buffer
}

function parse(jws: string): Parts {
  if (typeof jws !== 'string' || jws.length > MAX_JWS) throw new Error('too long')
  const [header, payload, signature, ...rest] = jws.split('.')
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0)
    throw new Error('not three parts')
  const { alg, typ, kid, ...others } = jsonObject(header) as Record<string, unknown>
  if (typeof alg !== 'string' || typeof typ !== 'string' || typeof kid !== 'string')
    throw new Error('alg, typ or kid is missing')
  if (Object.keys(others).length > 0) throw new Error('a header that is not ours')
  return { alg, typ, kid, payload: jsonObject(payload), signature: bytes(signature) }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function jsonObject(part: string): object {
  const value: unknown = JSON.parse(utf8.decode(bytes(part)))
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('not a JSON object')
  return value
}

/** Base64url has several spellings of the same bytes (the last character's unused bits); only one is taken. */
function bytes(part: string): Buffer {
  const decoded = Buffer.from(part, 'base64url')
  if (decoded.toString('base64url') !== part) throw new Error('not canonical base64url')
  return decoded
}

/** Order of the P-256 group (FIPS 186-5, SP 800-186 section 3.2.1.3). */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

function scalar(half: Buffer): bigint {
  return BigInt(`0x${half.toString('hex')}`)
}

/** For every ECDSA signature (r, s) also (r, n-s) verifies; we write and take the smaller s, so nobody else can respell it. */
function isLowS(signature: Buffer): boolean {
  return signature.length === 64 && scalar(signature.subarray(32)) <= P256_ORDER / 2n
}

function withLowS(jws: string): string {
  const dot = jws.lastIndexOf('.')
  const signature = bytes(jws.slice(dot + 1))
  if (isLowS(signature)) return jws
  const s = P256_ORDER - scalar(signature.subarray(32))
  signature.write(s.toString(16).padStart(64, '0'), 32, 'hex')
  return `${jws.slice(0, dot)}.${signature.toString('base64url')}`
}
