import { Misfit } from './misfit.ts'

/** The type of the signature box, which a JP2 file begins with. */
const SIGNATURE = 0x6a502020
/** The code stream, and boxes without which it means what it says: signature, file type, header, and what a reader may pass over. */
const CODE_STREAM = 'jp2c'
const HEADER = 'jp2h'
/** Boxes of the header that change what samples mean: palette, mapping, order of channels. */
const MEANINGFUL = new Set(['pclr', 'cmap', 'cdef'])

interface Box {
  readonly type: string
  readonly contents: Uint8Array
}

/**
 * The code stream of an image that somebody wrapped as a JP2 file, which DICOM does not want but archives have; any other
 * stream as it is.
 *
 * @throws Misfit when it has no code stream, or a header by which its samples mean something else
 * @see ISO/IEC 15444-1 annex I, DICOM PS3.5 section A.4.4
 */
export function codeStreamOf(stream: Uint8Array): Uint8Array {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length)
  if (stream.length < 12 || view.getUint32(4) !== SIGNATURE) return stream
  for (const { type, contents } of boxes(stream)) {
    if (type === HEADER)
      for (const box of boxes(contents)) if (MEANINGFUL.has(box.type)) throw new Misfit('colour')
    if (type === CODE_STREAM) return contents
  }
  throw new Misfit('malformed')
}

function* boxes(bytes: Uint8Array): Generator<Box> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at + 8 <= bytes.length;) {
    const declared = view.getUint32(at)
    // A length of 1 is followed by one of 8 bytes; no image here is that long. A length of 0 is all that is left.
    const end = declared === 0 ? bytes.length : at + declared
    if (end < at + 8 || end > bytes.length) throw new Misfit('malformed')
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    yield { type, contents: bytes.subarray(at + 8, end) }
    at = end
  }
}
