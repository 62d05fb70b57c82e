import { createHash, createHmac, randomBytes, type KeyObject } from 'node:crypto'
import type { Sha256 } from '@mdm/core/names'

/** Names a request to its caller: 32 random bytes, base64url. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * The token in the URL of one file. Made anew of the request's token for every answer, so that it is the same after a restart and the
 * store holds none.
 *
 * @param key   of the site, for this purpose alone
 * @param token of the request
 */
export function turlToken(key: KeyObject, token: string, position: number): string {
  return createHmac('sha256', key).update(`${token} ${position}`).digest('base64url')
}

/** What is kept of a token. */
export function tokenDigest(token: string): Sha256 {
  return createHash('sha256').update(token).digest('hex')
}
