import type { StreamInfo } from './codec-module.ts'
import { Misfit } from './misfit.ts'

const SIZ_BYTES = 42
const HIGH_THROUGHPUT = 0x4000

/**
 * What the first marker segment of a JPEG 2000 code stream says of the image, before anything is made of it.
 *
 * @throws Misfit when it is no code stream, its components differ, or it is one of the other kind
 * @see ISO/IEC 15444-1 section A.5.1
 */
export function jpeg2000Size(stream: Uint8Array, o: { highThroughput: boolean }): StreamInfo {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length)
  if (stream.length < SIZ_BYTES || view.getUint32(0) !== 0xff4fff51) throw new Misfit('malformed')
  if (((view.getUint16(6) & HIGH_THROUGHPUT) !== 0) !== o.highThroughput) throw new Misfit('kind')
  const count = view.getUint16(40)
  if (count === 0 || stream.length < SIZ_BYTES + 3 * count) throw new Misfit('malformed')
  const depth = stream[SIZ_BYTES]!
  for (let c = 0; c < count; c++) {
    const at = SIZ_BYTES + 3 * c
    if (stream[at] !== depth || stream[at + 1] !== 1 || stream[at + 2] !== 1) throw new Misfit('shape')
  }
  return {
    width: view.getUint32(8) - view.getUint32(16),
    height: view.getUint32(12) - view.getUint32(20),
    bitsPerSample: (depth & 0x7f) + 1,
    isSigned: (depth & 0x80) !== 0,
    componentCount: count,
  }
}

const START_OF_TILE = 0xff90
const END = 0xffd9

/**
 * Follows the lengths of the tile-parts to the end of the code stream: decoders take one that is cut short, and make up the rest.
 *
 * @throws Misfit
 * @see ISO/IEC 15444-1 section A.4
 */
export function expectWhole(stream: Uint8Array): void {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length)
  const marker = (at: number): number => (at + 2 <= stream.length ? view.getUint16(at) : 0)
  let at = 2
  while (marker(at) !== START_OF_TILE) {
    if (marker(at) < 0xff00 || at + 4 > stream.length) throw new Misfit('malformed')
    at += 2 + view.getUint16(at + 2)
  }
  while (marker(at) === START_OF_TILE && at + 12 <= stream.length) {
    const length = view.getUint32(at + 6)
    // 0 is up to the end
    if (length !== 0 && length < 14) throw new Misfit('malformed')
    at = length === 0 ? stream.findLastIndex((byte) => byte !== 0) - 1 : at + length
  }
  if (marker(at) !== END || stream.subarray(at + 2).some((byte) => byte !== 0)) throw new Misfit('malformed')
}
