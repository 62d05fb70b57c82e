import type { Audit, AuditEvent } from '../audit/audit.ts'
import { nextValue, type SiteQueries, type SiteStore } from '../store/site-store.ts'

/** An audit event that belongs to a commit; its id makes writing it twice one record. */
export type OutboxEvent = AuditEvent & { readonly eventId: string }

/** Puts an event beside what it tells of, in the same transaction (J5). */
export async function putOutbox(db: SiteQueries, event: OutboxEvent): Promise<void> {
  const position = await nextValue(db, 'outbox')
  await db
    .insertInto('outbox')
    .values({ event_id: event.eventId, position, event: JSON.stringify(event) })
    .execute()
}

/**
 * Writes what waits to the audit log, in order, and forgets it (J6). After a crash between the two the record is there already
 * and is not written again.
 *
 * @throws MDM_AUDIT when the log cannot be written; the events stay
 */
export async function flushOutbox(db: SiteStore, audit: Audit): Promise<void> {
  const rows = await db.selectFrom('outbox').selectAll().orderBy('position').execute()
  for (const { event_id: id, event } of rows) {
    await audit.record(JSON.parse(event) as OutboxEvent)
    await db.deleteFrom('outbox').where('event_id', '=', id).execute()
  }
}
