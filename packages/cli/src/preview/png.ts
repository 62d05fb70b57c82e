import type { Picture } from '@mdm/core/volume/preview/preview'
import { encode } from 'fast-png'

/** A picture as a PNG file of 8 bits, without any text, time or name in it. */
export function pngOf({ width, height, channels, data }: Picture): Buffer {
  return Buffer.from(encode({ width, height, channels, depth: 8, data }))
}
