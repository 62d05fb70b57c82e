import type { Decoded } from '../codec-module.ts'
import { Misfit } from '../misfit.ts'
import { Bits, codeTable, END_OF_IMAGE, RESTART, type CodeTable } from './entropy.ts'
import type { JpegFrame } from './segments.ts'

/**
 * A lossless JPEG image of one scan, Huffman-coded: each sample is predicted from those left of it and above it.
 *
 * @throws Misfit when it is malformed or cut short: nothing is made up
 * @see ITU-T T.81 annex H
 */
export function decodeLossless(stream: Uint8Array, frame: JpegFrame): Decoded {
  const { width, height, componentCount: count, bitsPerSample, restartInterval, scan } = frame
  const { start: predictor, low: shift } = scan
  if (scan.components.length !== count) throw new Misfit('kind')
  if (bitsPerSample < 2 || bitsPerSample > 16 || shift >= bitsPerSample || predictor < 1 || predictor > 7)
    throw new Misfit('malformed')
  if (restartInterval % width !== 0) throw new Misfit('malformed')
  const tables = scan.components.map(({ dc }) => codeTable(frame, dc))
  const places = scan.components.map(({ index }) => index)
  const out = new Uint16Array(width * height * count)
  const bits = new Bits(stream, scan.dataAt)
  const rowLength = width * count
  const restartRows = restartInterval / width
  const middle = 1 << (bitsPerSample - shift - 1)
  for (let y = 0; y < height; y++) {
    const restarts = restartRows > 0 && y > 0 && y % restartRows === 0
    if (restarts) bits.marker(RESTART + ((y / restartRows - 1) % 8))
    // What came before a restart is not looked at.
    const isFirst = y === 0 || restarts
    for (let c = 0; c < count; c++) {
      const at = y * rowLength + places[c]!
      out[at] = (isFirst ? middle : out[at - rowLength]!) + difference(bits, tables[c]!)
    }
    const row = { out, from: y * rowLength, rowLength, places, tables, bits }
    if (predictor === 1 || isFirst) readFromLeft(row)
    else readPredicted(row, PREDICTORS[predictor - 1]!)
    bits.check()
  }
  bits.marker(END_OF_IMAGE)
  return { samples: finished(out, bitsPerSample, shift), info: frame, planar: false }
}

interface Row {
  readonly out: Uint16Array
  /** where it begins in `out` */
  readonly from: number
  readonly rowLength: number
  /** of each component of the scan in a pixel */
  readonly places: readonly number[]
  readonly tables: readonly CodeTable[]
  readonly bits: Bits
}

/** The rest of a row whose first pixel is there, each sample from the one left of it; most images are nothing else. */
function readFromLeft({ out, from, rowLength, places, tables, bits }: Row): void {
  const count = places.length
  for (let pixel = from + count; pixel < from + rowLength; pixel += count)
    for (let c = 0; c < count; c++) {
      const at = pixel + places[c]!
      out[at] = out[at - count]! + difference(bits, tables[c]!)
    }
}

function readPredicted(
  { out, from, rowLength, places, tables, bits }: Row,
  predict: (typeof PREDICTORS)[number],
): void {
  const count = places.length
  for (let pixel = from + count; pixel < from + rowLength; pixel += count)
    for (let c = 0; c < count; c++) {
      const at = pixel + places[c]!
      const expected = predict(out[at - count]!, out[at - rowLength]!, out[at - rowLength - count]!)
      out[at] = expected + difference(bits, tables[c]!)
    }
}

function difference(bits: Bits, table: CodeTable): number {
  const length = bits.symbol(table)
  if (length < 16) return bits.signed(length)
  if (length === 16) return 32_768
  throw new Misfit('malformed')
}

/** From left, above, and left above (T.81 table H.1). */
const PREDICTORS: readonly ((a: number, b: number, c: number) => number)[] = [
  (a) => a,
  (_a, b) => b,
  (_a, _b, c) => c,
  (a, b, c) => a + b - c,
  (a, b, c) => a + ((b - c) >> 1),
  (a, b, c) => b + ((a - c) >> 1),
  (a, b) => (a + b) >> 1,
]

/** @throws Misfit when a sample has more bits than the image */
function finished(
  samples: Uint16Array<ArrayBuffer>,
  bitsPerSample: number,
  shift: number,
): Uint8Array<ArrayBuffer> {
  const limit = 2 ** (bitsPerSample - shift)
  const bytes = bitsPerSample > 8 ? undefined : new Uint8Array(samples.length)
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i]!
    if (sample >= limit) throw new Misfit('malformed')
    if (bytes !== undefined) bytes[i] = sample << shift
    else if (shift > 0) samples[i] = sample << shift
  }
  return bytes ?? new Uint8Array(samples.buffer)
}
