import { expectSize } from './expect-size.ts'
import { fit } from './fit.ts'
import type { Decode } from './index.ts'
import { decodeLossless } from './jpeg/lossless.ts'
import { readJpegFrame } from './jpeg/segments.ts'

const LOSSLESS = 0xc3

/** JPEG without loss, process 14 (ITU-T T.81 annex H). */
export async function openJpegLossless(): Promise<Decode> {
  return (stream, shape) => {
    const frame = readJpegFrame(stream, [LOSSLESS])
    expectSize(frame, shape)
    return fit(decodeLossless(stream, frame), shape)
  }
}
