/**
 * Pixels of one bit as bytes; the first pixel is in the lowest bit.
 *
 * @param skip bits that are of something else
 * @see DICOM PS3.5 section 8.1.1
 */
export function unpackBits(packed: Uint8Array, pixels: number, skip: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(pixels)
  for (let i = 0; i < pixels; i++) out[i] = (packed[(i + skip) >> 3]! >> ((i + skip) & 7)) & 1
  return out
}
