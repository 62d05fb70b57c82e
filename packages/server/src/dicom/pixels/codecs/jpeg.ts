import openTurbo from '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'
import type { FrameShape } from '../frame-shape.ts'
import { decodeWith, openDecoder } from './codec-module.ts'
import { expectSize } from './expect-size.ts'
import { fit } from './fit.ts'
import type { Decode } from './index.ts'
import { readJpegFrame, type JpegFrame } from './jpeg/segments.ts'
import { decodeSequential } from './jpeg/sequential.ts'
import { Misfit } from './misfit.ts'

const BASELINE = 0xc0
const EXTENDED = 0xc1

/** JPEG with loss: 8 bits by libjpeg-turbo, which makes RGB of colours; 12 bits, always grey, here (ITU-T T.81). */
export async function openJpeg(): Promise<Decode> {
  const Decoder = await openDecoder(openTurbo, 'JPEGDecoder')
  return (stream, shape) => {
    const frame = readJpegFrame(stream, [BASELINE, EXTENDED])
    expectSize(frame, shape)
    if (frame.bitsPerSample !== 8) return fit(decodeSequential(stream, frame), shape)
    if (shape.samples === 3) expectColour(frame, shape)
    return fit(decodeWith(Decoder, stream), shape)
  }
}

/** What the markers of a stream say of its colours, by the rules of libjpeg, must be what the header says. */
function expectColour({ adobe, jfif, components }: JpegFrame, { photometric }: FrameShape): void {
  const letters = String.fromCharCode(...components.map(({ id }) => id)) === 'RGB'
  const isRgb = !jfif && (adobe === undefined ? letters : adobe === 0)
  const expected = isRgb ? ['RGB'] : ['YBR_FULL', 'YBR_FULL_422']
  if (!expected.includes(photometric)) throw new Misfit('colour')
}
