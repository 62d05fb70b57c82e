import type { InstanceHeader } from '../../dicom/source.ts'
import type { Plane } from '../plane.ts'

/** Bytes of one decoded frame; a pixel of 1 bit has a byte. */
export function frameBytes(header: InstanceHeader): number {
  return (header.rows ?? 0) * (header.columns ?? 0) * pixelWidth(header)
}

/** Bytes of one decoded pixel with all its samples. */
function pixelWidth({ samplesPerPixel = 1, bitsAllocated = 8 }: InstanceHeader): number {
  return samplesPerPixel * Math.ceil(bitsAllocated / 8)
}

/**
 * The pixels of one plane: the whole frame, or a tile of it.
 *
 * @param pixels of the frame, row after row
 * @returns shares the memory of the frame where it is the whole of it
 */
export function cutTile(pixels: Buffer, { header, tile, rows, columns }: Plane): Buffer {
  if (tile === undefined) return pixels
  const width = pixelWidth(header)
  const line = columns * width
  const out = Buffer.alloc(rows * line)
  for (let row = 0; row < rows; row++) {
    const start = ((tile.top + row) * header.columns! + tile.left) * width
    pixels.copy(out, row * line, start, start + line)
  }
  return out
}
