import type { FrameShape } from '../frame-shape.ts'
import type { Coding } from '../transfer-syntaxes.ts'
import { decodeRle } from './rle.ts'

/**
 * Makes pixels of a compressed frame: frameBytes(shape) bytes, little endian, samples beside each other, in memory of their
 * own; packed bits where a pixel is one. Throws Misfit.
 */
export type Decode = (stream: Uint8Array, shape: FrameShape) => Uint8Array<ArrayBuffer>

/** The decoder of a coding, with its library opened; libraries are loaded when they are needed. */
export async function openCodec(coding: Exclude<Coding, 'native'>): Promise<Decode> {
  switch (coding) {
    case 'rle':
      return decodeRle
    case 'jpeg':
      return await (await import('./jpeg.ts')).openJpeg()
    case 'jpeg-lossless':
      return await (await import('./jpeg-lossless.ts')).openJpegLossless()
    case 'jpeg-ls':
      return await (await import('./jpeg-ls.ts')).openJpegLs()
    case 'jpeg-2000':
      return await (await import('./jpeg-2000.ts')).openJpeg2000()
    case 'htj2k':
      return await (await import('./htj2k.ts')).openHtj2k()
  }
}
