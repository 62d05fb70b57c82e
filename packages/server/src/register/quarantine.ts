import { randomBytes } from 'node:crypto'
import type { Sha256 } from '@mdm/core/names'
import type { RefusedVolume } from '@mdm/core/wire/register'
import type { AuditCaller } from '../audit/audit.ts'
import type { SeriesRef } from '../dicom/source.ts'
import type { SiteQueries, SiteStore } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { Refusal } from '../volume/plan.ts'
import { putOutbox } from './outbox.ts'

/**
 * Keeps a refusal for the administrator: the rule, names of attributes and a digest; no values, no pixels. The same refusal again
 * is the same row, and is audited once.
 *
 * @returns `isDropped` where an administrator has dropped this very refusal
 */
export async function quarantine(
  db: SiteQueries,
  refusal: Refusal,
  of: {
    source: string
    series: SeriesRef
    digest: Sha256
    /** objects that this refusal itself holds for a person; none where it is only withheld with others */
    holds?: number
    caller: AuditCaller
    now: Date
  },
): Promise<RefusedVolume & { isDropped: boolean }> {
  const { code, reason, instances, tags = [] } = refusal
  const known = await db
    .selectFrom('quarantine')
    .select(['id', 'dropped'])
    .where('digest', '=', of.digest)
    .executeTakeFirst()
  if (known !== undefined) return { quarantine: known.id, code, reason, isDropped: known.dropped !== null }
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
      holds: of.holds ?? 0,
      ...{ dropped: null, released: null, released_by: null, release_reason: null },
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
  return { quarantine: id, code, reason, isDropped: false }
}

/** Why a row went by itself. */
export type QuarantineEnd = 'registered' | 'left' | 'changed'

/**
 * Removes what was refused of a series before and is not refused now: it was registered, has left the source, or is refused for
 * something else. With it goes what an administrator dropped: other content may be refused anew. What was released stays: it is a
 * person's word, and counts again when these very objects return.
 *
 * @param of `kept` are the digests of what is refused now
 */
export async function endQuarantine(
  db: SiteStore,
  of: {
    source: string
    series: SeriesRef
    kept: readonly Sha256[]
    why: QuarantineEnd
    caller: AuditCaller
  },
): Promise<void> {
  const { source, series, why, caller } = of
  const stale = async (queries: SiteQueries) =>
    (
      await queries
        .selectFrom('quarantine')
        .select(['id', 'digest', 'dropped'])
        .where('source', '=', source)
        .where('series', '=', series.series)
        .where('study', '=', series.study)
        .where('released', 'is', null)
        .execute()
    ).filter(({ digest }) => !of.kept.includes(digest))
  // Most series never were in quarantine: they need no transaction.
  if ((await stale(db)).length === 0) return
  await inTransaction(db, async (trx) => {
    for (const { id, dropped } of await stale(trx)) {
      await trx.deleteFrom('quarantine').where('id', '=', id).execute()
      if (dropped !== null) continue
      await putOutbox(trx, {
        ...{ eventId: `quarantine-ended:${id}`, event: 'quarantine-ended', outcome: 'done', caller },
        facts: { quarantine: id, source, why },
      })
    }
  })
}
