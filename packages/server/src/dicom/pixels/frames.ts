import { pixelSpan } from '../part10/index.ts'
import type { InstanceHeader, RetrievedFrame } from '../source.ts'
import type { StoredBytes } from './stored-bytes.ts'

/**
 * Frames of one object, one at a time. An object that is damaged, or whose pixels are not stored as they are, has none.
 *
 * @param frames counted from 0, ascending; all of them where absent; those that the object does not have do not come
 */
export async function* framesOf(
  header: InstanceHeader,
  bytes: StoredBytes,
  frames?: readonly number[],
): AsyncGenerator<RetrievedFrame> {
  const span = pixelSpan(header)
  if (span === undefined || span.end > bytes.length) return
  const frameBytes = (span.end - span.start) / header.frames
  if (!Number.isInteger(frameBytes)) return
  const isThere = (frame: number): boolean => frame >= 0 && frame < header.frames
  const wanted = frames?.filter(isThere) ?? Array.from({ length: header.frames }, (_, frame) => frame)
  for (const [i, frame] of wanted.entries()) {
    const start = span.start + frame * frameBytes
    const end = start + frameBytes
    const pixels = await bytes.read(start, end)
    bytes.passed(i === wanted.length - 1 ? bytes.length : end)
    yield { header, frame, pixels }
  }
}
