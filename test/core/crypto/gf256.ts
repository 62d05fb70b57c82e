/** Shamir over GF(2^8) with the polynomial 0x11d, written without tables and without a look at the library: the reference. */

/** Carry-less multiplication, reduced by x^8 + x^4 + x^3 + x^2 + 1. */
export function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 0; bit < 8; bit++) if ((b >> bit) & 1) product ^= a << bit
  for (let bit = 14; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8)
  return product
}

/** a^254, since a^255 = 1. */
export function inverse(a: number): number {
  let result = 1
  for (let i = 0; i < 254; i++) result = multiply(result, a)
  return result
}

/** Value at x of the polynomial with these coefficients, the constant first. */
export function evaluate(coefficients: readonly number[], x: number): number {
  return coefficients.reduceRight((sum, c) => multiply(sum, x) ^ c, 0)
}

/** Value at 0 of the polynomial through the points (Lagrange). */
export function interpolate(points: readonly (readonly [x: number, y: number])[]): number {
  return points.reduce((sum, [xi, yi]) => {
    const others = points.filter(([x]) => x !== xi)
    return sum ^ others.reduce((term, [xj]) => multiply(term, multiply(xj, inverse(xi ^ xj))), yi)
  }, 0)
}

/** The 80 bytes that are shared byte by byte: fifteen zeros, 1, then each key byte behind a zero, the last key byte first. */
export function padSecret(secret: Uint8Array): number[] {
  return [...Array<number>(15).fill(0), 1, ...[...secret].reverse().flatMap((byte) => [0, byte])]
}

/** The inverse of padSecret. */
export function unpadSecret(padded: readonly number[]): Buffer {
  return Buffer.from(padded.slice(16).filter((_, i) => i % 2 === 1)).reverse()
}
