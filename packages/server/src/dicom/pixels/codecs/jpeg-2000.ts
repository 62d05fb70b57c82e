import openOpenJpeg from '@cornerstonejs/codec-openjpeg/decodewasmjs'
import { decodeWith, openDecoder } from './codec-module.ts'
import { fit } from './fit.ts'
import { expectSize } from './expect-size.ts'
import type { Decode } from './index.ts'
import { codeStreamOf } from './jpeg-2000-boxes.ts'
import { expectWhole, jpeg2000Size } from './jpeg-2000-size.ts'

/** JPEG 2000 by OpenJPEG (ISO/IEC 15444-1). */
export async function openJpeg2000(): Promise<Decode> {
  const Decoder = await openDecoder(openOpenJpeg, 'J2KDecoder')
  return (wrapped, shape) => {
    const stream = codeStreamOf(wrapped)
    expectSize(jpeg2000Size(stream, { highThroughput: false }), shape)
    expectWhole(stream)
    return fit(decodeWith(Decoder, stream), shape)
  }
}
