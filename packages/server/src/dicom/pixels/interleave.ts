/**
 * Planes beside each other become samples beside each other.
 *
 * @param samples   how many planes
 * @param bytesEach of a sample
 * @returns as many bytes, in memory of their own
 * @see DICOM PS3.3 section C.7.6.3.1.3
 */
export function interleaved(planes: Uint8Array, samples: number, bytesEach: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(planes.length)
  const plane = planes.length / samples
  for (let s = 0; s < samples; s++)
    for (let at = 0; at < plane; at++) {
      const pixel = Math.floor(at / bytesEach)
      out[(pixel * samples + s) * bytesEach + (at % bytesEach)] = planes[s * plane + at]!
    }
  return out
}
