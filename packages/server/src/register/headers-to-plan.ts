import type { DicomSource, InstanceHeader, SeriesRef } from '../dicom/source.ts'
import { MAX_OBJECTS, MAX_PLANES } from '../volume/group.ts'
import { planesHeld } from '../volume/planes/index.ts'

/**
 * The headers of a series; of one that is too long to be planned only so many as tell that.
 *
 * @throws what the source throws
 */
export async function headersToPlan(
  source: DicomSource,
  ref: SeriesRef,
  signal: AbortSignal,
): Promise<InstanceHeader[]> {
  const headers: InstanceHeader[] = []
  let planes = 0
  for await (const header of source.headers(ref, signal)) {
    headers.push(header)
    planes += planesHeld(header)
    if (headers.length > MAX_OBJECTS || planes > MAX_PLANES) break
  }
  return headers
}
