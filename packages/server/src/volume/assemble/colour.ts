import { decodedPhotometric } from '../../dicom/pixels/index.ts'
import type { InstanceHeader } from '../../dicom/source.ts'

/**
 * Red, green and blue of each pixel; what decoders left as brightness and colour differences is converted.
 *
 * @param pixels three bytes each
 * @returns the same bytes where they are red, green and blue already
 * @see DICOM PS3.3 C.7.6.3.1.2
 */
export function toRgb(pixels: Buffer, header: InstanceHeader): Buffer {
  if (decodedPhotometric(header) === 'RGB') return pixels
  const out = Buffer.alloc(pixels.length)
  for (let at = 0; at < pixels.length; at += 3) {
    const y = pixels[at]!
    const cb = pixels[at + 1]! - 128
    const cr = pixels[at + 2]! - 128
    out[at] = byte(y + 1.402 * cr)
    out[at + 1] = byte(y - 0.344136 * cb - 0.714136 * cr)
    out[at + 2] = byte(y + 1.772 * cb)
  }
  return out
}

function byte(value: number): number {
  return Math.min(255, Math.max(0, Math.round(value)))
}
