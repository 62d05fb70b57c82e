import openCharls from '@cornerstonejs/codec-charls/decodewasmjs'
import { decodeWith, openDecoder } from './codec-module.ts'
import { expectSize } from './expect-size.ts'
import { fit } from './fit.ts'
import type { Decode } from './index.ts'
import { readJpegFrame } from './jpeg/segments.ts'

const JPEG_LS = 0xf7

/** JPEG-LS by CharLS (ISO/IEC 14495-1). */
export async function openJpegLs(): Promise<Decode> {
  const Decoder = await openDecoder(openCharls, 'JpegLSDecoder')
  return (stream, shape) => {
    expectSize(readJpegFrame(stream, [JPEG_LS]), shape)
    return fit(decodeWith(Decoder, stream), shape)
  }
}
