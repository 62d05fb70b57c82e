import { pixelBytes, shapeOf } from '../../dicom/pixels/index.ts'
import type { Plane } from '../plane.ts'

/**
 * The pixels of one plane: the whole frame, or a tile of it.
 *
 * @param pixels of the frame, row after row
 * @returns shares the memory of the frame where it is the whole of it
 */
export function cutTile(pixels: Buffer, { header, tile, rows, columns }: Plane): Buffer {
  if (tile === undefined) return pixels
  const width = pixelBytes(shapeOf(header))
  const line = columns * width
  const out = Buffer.alloc(rows * line)
  for (let row = 0; row < rows; row++) {
    const start = ((tile.top + row) * header.columns! + tile.left) * width
    pixels.copy(out, row * line, start, start + line)
  }
  return out
}
