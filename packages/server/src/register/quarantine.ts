import { randomBytes } from 'node:crypto'
import type { Sha256 } from '@mdm/core/names'
import type { RefusedVolume } from '@mdm/core/wire/site'
import type { AuditCaller } from '../audit/audit.ts'
import type { SeriesRef } from '../dicom/source.ts'
import type { SiteQueries } from '../store/site-store.ts'
import type { Refusal } from '../volume/plan.ts'
import { putOutbox } from './outbox.ts'

/**
 * Keeps a refusal for the administrator: the rule, names of attributes and a digest; no values, no pixels. The same refusal again
 * is the same row, and is audited once.
 */
export async function quarantine(
  db: SiteQueries,
  refusal: Refusal,
  of: { source: string; series: SeriesRef; digest: Sha256; caller: AuditCaller; now: Date },
): Promise<RefusedVolume> {
  const { code, reason, instances, tags = [] } = refusal
  const known = await db
    .selectFrom('quarantine')
    .select('id')
    .where('digest', '=', of.digest)
    .executeTakeFirst()
  if (known !== undefined) return { quarantine: known.id, code, reason }
  const id = `q-${randomBytes(8).toString('hex')}`
  await db
    .insertInto('quarantine')
    .values({
      id,
      source: of.source,
      study: of.series.study,
      series: of.series.series,
      code,
      reason,
      tags: JSON.stringify(tags),
      instances,
      digest: of.digest,
      created: of.now.toISOString(),
    })
    .execute()
  await putOutbox(db, {
    eventId: `quarantined:${id}`,
    event: 'series-quarantined',
    outcome: 'refused',
    code,
    caller: of.caller,
    facts: { quarantine: id, source: of.source, instances },
  })
  return { quarantine: id, code, reason }
}
