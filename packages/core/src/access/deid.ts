import { postDeidPreview, type DeidPreview, type DeidQuestion } from '../wire/deid.ts'
import type { Session } from './session.ts'

/**
 * What would leave of one series at a source, and what would be withheld.
 *
 * @throws MDM_DENIED | MDM_NOT_FOUND | MDM_USAGE when not one series is meant | MDM_SOURCE_*
 */
export async function previewSeries(
  session: Session,
  question: DeidQuestion,
  signal?: AbortSignal,
): Promise<DeidPreview> {
  return await session.site.call(postDeidPreview, { body: question }, { signal })
}
