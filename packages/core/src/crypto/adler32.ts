/** Largest prime below 2^16 (RFC 1950 section 8.2). */
const BASE = 65_521
/** Bytes until the sums must be reduced: b stays below 2^31, where V8 keeps small integers. */
const RUN = 3_800

/**
 * The Adler-32 checksum that the grid compares copies by. It finds damage by accident, and nothing that was done on purpose.
 *
 * @param sum of what came before; 1 at the start
 * @see RFC 1950 section 9
 */
export function adler32(bytes: Uint8Array, sum = 1): number {
  let a = sum & 0xffff
  let b = sum >>> 16
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(at + RUN, bytes.length)
    for (; at < end; at++) {
      a += bytes[at]!
      b += a
    }
    a %= BASE
    b %= BASE
  }
  return ((b << 16) | a) >>> 0
}
