import type { Decoded } from '../codec-module.ts'
import { Misfit } from '../misfit.ts'
import { Bits, codeTable, END_OF_IMAGE, RESTART, type CodeTable } from './entropy.ts'
import { inverseTransform } from './inverse-transform.ts'
import type { JpegFrame } from './segments.ts'

/** Place in its block of 8 x 8 of each coefficient, in the order they are written (T.81 figure A.6). */
const ZIGZAG = zigzag()

/**
 * A sequential JPEG image of 12 bits and one component: the extended process, which the library for 8 bits does not know.
 *
 * @throws Misfit when it is malformed or cut short: nothing is made up
 * @see ITU-T T.81 annex F
 */
export function decodeSequential(stream: Uint8Array, frame: JpegFrame): Decoded {
  const { width, height, bitsPerSample, restartInterval, scan } = frame
  const [component] = scan.components
  if (bitsPerSample !== 12 || frame.componentCount !== 1 || component === undefined) throw new Misfit('kind')
  if (scan.components.length !== 1) throw new Misfit('malformed')
  const quantization = frame.quantization.get(frame.components[0]!.quantization)
  if (quantization === undefined) throw new Misfit('malformed')
  const dc = codeTable(frame, component.dc)
  const ac = codeTable(frame, 16 + component.ac)
  const bits = new Bits(stream, scan.dataAt)
  const samples = new Uint16Array(width * height)
  const block = new Int32Array(64)
  const across = Math.ceil(width / 8)
  const blocks = across * Math.ceil(height / 8)
  let last = 0
  for (let k = 0; k < blocks; k++) {
    if (restartInterval > 0 && k > 0 && k % restartInterval === 0) {
      bits.marker(RESTART + ((k / restartInterval - 1) % 8))
      last = 0
    }
    last = readBlock(bits, dc, ac, quantization, last, block)
    bits.check()
    inverseTransform(block)
    place(block, samples, width, height, 8 * (k % across), 8 * Math.floor(k / across))
  }
  bits.marker(END_OF_IMAGE)
  return { samples: new Uint8Array(samples.buffer), info: frame, planar: false }
}

/** @returns the DC coefficient, from which the next block goes on */
function readBlock(
  bits: Bits,
  dc: CodeTable,
  ac: CodeTable,
  quantization: Uint16Array,
  last: number,
  block: Int32Array,
): number {
  block.fill(0)
  const length = bits.symbol(dc)
  if (length > 15) throw new Misfit('malformed')
  const first = last + bits.signed(length)
  block[0] = first * quantization[0]!
  for (let k = 1; k < 64; k++) {
    const symbol = bits.symbol(ac)
    const size = symbol & 15
    const run = symbol >> 4
    if (size === 0 && run < 15) break
    k += run
    if (k > 63) throw new Misfit('malformed')
    if (size > 0) block[ZIGZAG[k]!] = bits.signed(size) * quantization[k]!
  }
  return first
}

/** Writes the part of a block that lies in the image, from -2048 to 2047 turned into 0 to 4095. */
function place(
  block: Int32Array,
  samples: Uint16Array,
  width: number,
  height: number,
  left: number,
  top: number,
): void {
  const [right, bottom] = [Math.min(width, left + 8), Math.min(height, top + 8)]
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++)
      samples[y * width + x] = Math.min(4095, Math.max(0, block[8 * (y - top) + x - left]! + 2048))
}

function zigzag(): Uint8Array {
  const order: number[] = []
  for (let diagonal = 0; diagonal < 15; diagonal++) {
    const places = Array.from({ length: 8 }, (_, row) => [row, diagonal - row] as const)
      .filter(([, column]) => column >= 0 && column < 8)
      .map(([row, column]) => 8 * row + column)
    order.push(...(diagonal % 2 === 0 ? places.reverse() : places))
  }
  return Uint8Array.from(order)
}
