import { ERRORS, isErrorCode, MdmError } from '@mdm/core/errors'
import type { QuarantineRow } from '@mdm/core/wire/quarantine'
import type { Audit, AuditCaller } from '../audit/audit.ts'
import type { QuarantineTable } from '../store/registration-schema.ts'
import type { SiteStore } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import { flushOutbox, putOutbox } from './outbox.ts'

/** What administrators see of the quarantine, and may do with it. */
export interface QuarantineDesk {
  /** Rows in order of id, from after `after` on. */
  page(after: string | undefined, limit: number): Promise<QuarantineRow[]>
  /** @throws MDM_NOT_FOUND also for a row that was dropped */
  row(id: string): Promise<QuarantineRow>
  /**
   * Forgets a row. It is kept where nobody sees it, so that the same refusal makes no new one; other content of the series does.
   *
   * @param of `reason` goes to the audit log
   * @throws MDM_NOT_FOUND | MDM_CONFLICT for what was released | MDM_AUDIT
   */
  drop(id: string, of: { reason: string; caller: AuditCaller; now: Date; requestId: string }): Promise<void>
}

export function openQuarantineDesk(db: SiteStore, audit: Audit): QuarantineDesk {
  const shown = () => db.selectFrom('quarantine').selectAll().where('dropped', 'is', null)
  return {
    async page(after, limit) {
      const rows = after === undefined ? shown() : shown().where('id', '>', after)
      return (await rows.orderBy('id').limit(limit).execute()).map(rowOf)
    },

    async row(id) {
      const row = await shown().where('id', '=', id).executeTakeFirst()
      if (row === undefined) throw noRow()
      return rowOf(row)
    },

    async drop(id, { reason, caller, now, requestId }) {
      await inTransaction(db, async (trx) => {
        const row = await trx
          .updateTable('quarantine')
          .set({ dropped: now.toISOString() })
          .where('id', '=', id)
          .where('dropped', 'is', null)
          .returning(['source', 'released'])
          .executeTakeFirst()
        if (row === undefined) throw noRow()
        if (row.released !== null)
          throw new MdmError('MDM_CONFLICT', `${id} was released: "mdm quarantine retract" takes that back`)
        await putOutbox(trx, {
          ...{ eventId: `quarantine-dropped:${id}`, event: 'quarantine-dropped', outcome: 'done' },
          ...{ caller, requestId },
          facts: { quarantine: id, source: row.source, reason },
        })
      })
      await flushOutbox(db, audit)
    },
  }
}

function rowOf(row: QuarantineTable): QuarantineRow {
  const { id, source, code, reason, instances, digest, created } = row
  const next = ERRORS[isErrorCode(code) ? code : 'MDM_INTERNAL'].next
  return {
    id,
    source,
    code,
    reason,
    instances,
    digest,
    created,
    next,
    tags: JSON.parse(row.tags) as string[],
    releasable: row.holds > 0,
    ...releaseOf(row),
  }
}

function releaseOf({ released, released_by: by, release_reason: reason }: QuarantineTable) {
  if (released === null || by === null || reason === null) return {}
  return { released: { time: released, by: (JSON.parse(by) as AuditCaller).dn, reason } }
}

function noRow(): MdmError {
  return new MdmError('MDM_NOT_FOUND', 'there is no such row in quarantine')
}
