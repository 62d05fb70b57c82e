import { frameBytes, type FrameShape } from '../frame-shape.ts'
import { Misfit } from './misfit.ts'

const HEADER_BYTES = 64
const MAX_SEGMENTS = 15

/**
 * An RLE frame: a segment for each byte of a pixel, the highest byte of the first sample first.
 *
 * @returns frameBytes(shape) bytes, or packed bits where a pixel is one
 * @throws Misfit
 * @see DICOM PS3.5 annex G
 */
export function decodeRle(stream: Uint8Array, shape: FrameShape): Uint8Array<ArrayBuffer> {
  if (stream.length < HEADER_BYTES) throw new Misfit('malformed')
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length)
  const bytesEach = Math.ceil(shape.bitsAllocated / 8)
  const segments = shape.samples * bytesEach
  if (view.getUint32(0, true) !== segments || segments > MAX_SEGMENTS) throw new Misfit('shape')
  const out = new Uint8Array(shape.bitsAllocated === 1 ? Math.ceil(frameBytes(shape) / 8) : frameBytes(shape))
  for (let k = 0; k < segments; k++) {
    const start = view.getUint32(4 + 4 * k, true)
    const end = k + 1 < segments ? view.getUint32(8 + 4 * k, true) : stream.length
    if (start < HEADER_BYTES || end < start || end > stream.length) throw new Misfit('malformed')
    const sample = Math.floor(k / bytesEach)
    const first = sample * bytesEach + (bytesEach - 1 - (k % bytesEach))
    unpack(stream, start, end, out, first, segments)
  }
  return out
}

/** PackBits, into every `step`-th byte from `first` on. */
function unpack(
  stream: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  first: number,
  step: number,
): void {
  let from = start
  let to = first
  while (to < out.length) {
    if (from >= end) throw new Misfit('malformed')
    const code = stream[from++]!
    if (code === 128) continue
    const count = code < 128 ? code + 1 : 257 - code
    if (to + (count - 1) * step >= out.length) throw new Misfit('malformed')
    if (code < 128) {
      if (from + count > end) throw new Misfit('malformed')
      for (let i = 0; i < count; i++, to += step) out[to] = stream[from++]!
    } else {
      if (from >= end) throw new Misfit('malformed')
      const byte = stream[from++]!
      for (let i = 0; i < count; i++, to += step) out[to] = byte
    }
  }
}
