import openOpenJph from '@cornerstonejs/codec-openjph'
import { decodeWith, openDecoder } from './codec-module.ts'
import { expectSize } from './expect-size.ts'
import { fit } from './fit.ts'
import type { Decode } from './index.ts'
import { expectWhole, jpeg2000Size } from './jpeg-2000-size.ts'

/** High-throughput JPEG 2000 by OpenJPH (ISO/IEC 15444-15). */
export async function openHtj2k(): Promise<Decode> {
  const Decoder = await openDecoder(openOpenJph, 'HTJ2KDecoder')
  return (stream, shape) => {
    expectSize(jpeg2000Size(stream, { highThroughput: true }), shape)
    expectWhole(stream)
    return fit(decodeWith(Decoder, stream), shape)
  }
}
