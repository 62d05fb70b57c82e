/// <reference path="./shamirs-secret-sharing.d.ts" />
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { combine, split } from 'shamirs-secret-sharing'
import { MdmError } from '../errors.ts'

/** Bytes of the secret that is split: an AES-256 key. */
export const SECRET_BYTES = 32
/** Bytes of a share behind its two leading bytes. */
export const PAYLOAD_BYTES = 80
/** Most shares of one secret. */
export const MAX_SHARES = 32
/** First byte of every share of the library: the field has 2^8 elements. */
const FIELD_BITS = 8
const ATTEMPTS = 2

/** One share: the place of its polynomial, from 1, and the values there. */
export interface ShamirShare {
  readonly x: number
  readonly payload: Buffer
}

/** W1: two shares at least, one more than needed at least, 32 at most. */
export function isThreshold(m: number, n: number): boolean {
  return Number.isInteger(m) && Number.isInteger(n) && m >= 2 && m < n && n <= MAX_SHARES
}

/**
 * Splits a secret into n shares of which any m give it back (Shamir, GF(2^8); layout in docs/formats/keys.md).
 * What is returned has been combined again and compared (W3). The library keeps what a failed split leaves behind and mixes it
 * into the next one, so a failure is followed by a split of random bytes that carries it away.
 *
 * @param secret 32 bytes; the caller wipes it
 * @throws MDM_INTERNAL when m and n are not 2 <= m < n <= 32 (W1), the secret has another length (W2), or no split passes its test
 */
export function splitSecret(secret: Buffer, m: number, n: number): ShamirShare[] {
  if (!isThreshold(m, n)) throw new MdmError('MDM_INTERNAL', 'a threshold is 2 <= m < n <= 32')
  if (secret.length !== SECRET_BYTES) throw new MdmError('MDM_INTERNAL', 'a secret to split has 32 bytes')
  let cause: unknown
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      return splitOnce(secret, m, n)
    } catch (error) {
      cause = error
      flush()
    }
  }
  throw new MdmError('MDM_INTERNAL', 'the key could not be split', { cause })
}

/**
 * Combines shares; that they belong together must be known before (checkShare), since any shares give some secret.
 *
 * @param shares exactly as many as the threshold says, with distinct x
 * @returns 32 bytes that the caller wipes
 * @throws MDM_BAD_SHARE when a share is not of the form (W4), or the shares give no secret of 32 bytes
 */
export function combineSecret(shares: readonly ShamirShare[]): Buffer {
  const places = new Set(shares.map((s) => s.x))
  const wellFormed = shares.every(
    (s) => Number.isInteger(s.x) && s.x >= 1 && s.x <= MAX_SHARES && s.payload.length === PAYLOAD_BYTES,
  )
  // A share at x = 0 would be the secret itself, whatever the others say.
  if (shares.length < 2 || places.size !== shares.length || !wellFormed) throw new MdmError('MDM_BAD_SHARE')
  const texts = shares.map((s) => Buffer.concat([Buffer.from([FIELD_BITS, s.x]), s.payload]))
  try {
    return copyAndWipe(combine(texts))
  } finally {
    for (const text of texts) text.fill(0)
  }
}

function splitOnce(secret: Buffer, m: number, n: number): ShamirShare[] {
  const texts = split(secret, { shares: n, threshold: m })
  try {
    const shares = texts.map((text, i) => {
      if (text.length !== 2 + PAYLOAD_BYTES || text[0] !== FIELD_BITS || text[1] !== i + 1)
        throw new Error('a share of another form')
      return { x: i + 1, payload: Buffer.from(text.subarray(2)) }
    })
    if (shares.length !== n) throw new Error('another number of shares')
    for (let first = 0; first < n; first++) checkWindow(shares, first, m, secret)
    return shares
  } finally {
    for (const text of texts) text.fill(0)
  }
}

/** Combines the m shares from `first` on, around the end, and compares. */
function checkWindow(shares: readonly ShamirShare[], first: number, m: number, secret: Buffer): void {
  const again = combineSecret(Array.from({ length: m }, (_, i) => shares[(first + i) % shares.length]!))
  const same = timingSafeEqual(again, secret)
  again.fill(0)
  if (!same) throw new Error('the shares do not give the secret')
}

/** Splits random bytes so that nothing of an earlier secret is left in the library. */
function flush(): void {
  try {
    split(randomBytes(SECRET_BYTES), { shares: MAX_SHARES, threshold: 2 })
  } catch {
    // No randomness now: the self-test of the next split finds what is left, and flushes again.
  }
}

function copyAndWipe(value: Uint8Array): Buffer {
  const secret = Buffer.from(value)
  value.fill(0)
  if (secret.length === SECRET_BYTES) return secret
  secret.fill(0)
  throw new MdmError('MDM_BAD_SHARE')
}
