/** Bits behind the point of the constants, and of what is kept between the two passes at 12 bits a sample. */
const CONSTANT_BITS = 13
const KEPT_BITS = 1

const fixed = (constant: number): number => Math.round(constant * 2 ** CONSTANT_BITS)

const C_0_298 = fixed(0.298631336)
const C_0_390 = fixed(0.390180644)
const C_0_541 = fixed(0.5411961)
const C_0_765 = fixed(0.765366865)
const C_0_899 = fixed(0.899976223)
const C_1_175 = fixed(1.175875602)
const C_1_501 = fixed(1.50132111)
const C_1_847 = fixed(1.847759065)
const C_1_961 = fixed(1.96157056)
const C_2_053 = fixed(2.053119869)
const C_2_562 = fixed(2.562915447)
const C_3_072 = fixed(3.072711026)

/**
 * The inverse cosine transform of a block of 8 x 8, in place, by the integer method of Loeffler, Ligtenberg and Moschytz:
 * the one, with its roundings, that the common JPEG library uses unless told otherwise, so that all give the same pixels.
 *
 * @see C. Loeffler, A. Ligtenberg, G. Moschytz: Practical fast 1-D DCT algorithms with 11 multiplications, ICASSP 1989
 */
export function inverseTransform(block: Int32Array): void {
  for (let column = 0; column < 8; column++) pass(block, column, 8, CONSTANT_BITS - KEPT_BITS)
  for (let row = 0; row < 8; row++) pass(block, 8 * row, 1, CONSTANT_BITS + KEPT_BITS + 3)
}

/** One row or column: eight numbers from `at` on, `step` apart; `scale` bits are rounded off. */
function pass(block: Int32Array, at: number, step: number, scale: number): void {
  const value = (k: number): number => block[at + k * step]!
  const rotated = Math.imul(value(2) + value(6), C_0_541)
  const even2 = rotated - Math.imul(value(6), C_1_847)
  const even3 = rotated + Math.imul(value(2), C_0_765)
  const even0 = (value(0) + value(4)) << CONSTANT_BITS
  const even1 = (value(0) - value(4)) << CONSTANT_BITS

  const [odd7, odd5, odd3, odd1] = [value(7), value(5), value(3), value(1)]
  const both = Math.imul(odd7 + odd3 + odd5 + odd1, C_1_175)
  const side1 = Math.imul(odd7 + odd1, -C_0_899)
  const side2 = Math.imul(odd5 + odd3, -C_2_562)
  const side3 = Math.imul(odd7 + odd3, -C_1_961) + both
  const side4 = Math.imul(odd5 + odd1, -C_0_390) + both
  const part0 = Math.imul(odd7, C_0_298) + side1 + side3
  const part1 = Math.imul(odd5, C_2_053) + side2 + side4
  const part2 = Math.imul(odd3, C_3_072) + side2 + side3
  const part3 = Math.imul(odd1, C_1_501) + side1 + side4

  const write = (k: number, sum: number, part: number): void => {
    block[at + k * step] = (sum + part + (1 << (scale - 1))) >> scale
    block[at + (7 - k) * step] = (sum - part + (1 << (scale - 1))) >> scale
  }
  write(0, even0 + even3, part3)
  write(1, even1 + even2, part2)
  write(2, even1 - even2, part1)
  write(3, even0 - even3, part0)
}
