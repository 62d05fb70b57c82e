import openCharls from '@cornerstonejs/codec-charls/decodewasmjs'
import { decodeWith, openDecoder } from './codec-module.ts'
import { expectSize } from './expect-size.ts'
import { fit } from './fit.ts'
import type { Decode } from './index.ts'
import { END_OF_IMAGE } from './jpeg/entropy.ts'
import { readJpegFrame } from './jpeg/segments.ts'
import { Misfit } from './misfit.ts'

const JPEG_LS = 0xf7

/** JPEG-LS by CharLS (ISO/IEC 14495-1). */
export async function openJpegLs(): Promise<Decode> {
  const Decoder = await openDecoder(openCharls, 'JpegLSDecoder')
  return (stream, shape) => {
    expectSize(readJpegFrame(stream, [JPEG_LS]), shape)
    if (!isEnded(stream)) throw new Misfit('malformed')
    return fit(decodeWith(Decoder, stream), shape)
  }
}

/** CharLS may look for ever for what a stream that is cut short does not have; behind its end is padding at most. */
function isEnded(stream: Uint8Array): boolean {
  const end = stream.findLastIndex((byte) => byte !== 0)
  return end > 0 && stream[end - 1] === 0xff && stream[end] === END_OF_IMAGE
}
