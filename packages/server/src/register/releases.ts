import { MdmError } from '@mdm/core/errors'
import type { Audit, AuditCaller } from '../audit/audit.ts'
import type { QuarantineTable } from '../store/registration-schema.ts'
import type { SiteQueries } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { CommitOptions } from './commit.ts'
import { flushOutbox, putOutbox } from './outbox.ts'
import { markGone, volumesOf, type KnownVolume } from './presence.ts'

/** A person's word on one row. */
export interface Decision {
  /** goes to the audit log */
  readonly reason: string
  readonly caller: AuditCaller
  readonly requestId: string
}

/** Letting pixels leave that a rule held, and taking that back. */
export interface Releases {
  /**
   * Lifts a hold for exactly the objects that the row is about: other content of the series is held again. The series is registered next,
   * also after a restart. Releasing twice is releasing once.
   *
   * @throws MDM_NOT_FOUND | MDM_USAGE for what is not held for privacy, or by another object | MDM_AUDIT
   */
  release(id: string, decision: Decision): Promise<void>
  /**
   * Takes a release back: volumes with these objects are gone at once, for everybody.
   *
   * @throws MDM_NOT_FOUND | MDM_USAGE for what was not released | MDM_AUDIT
   */
  retract(id: string, decision: Decision): Promise<void>
}

type Options = Pick<CommitOptions, 'db' | 'site' | 'now'> & { readonly audit: Audit }

export function openReleases(o: Options): Releases {
  return {
    async release(id, { reason, caller, requestId }) {
      const time = o.now().toISOString()
      await inTransaction(o.db, async (trx) => {
        const row = await rowOf(trx, id)
        if (row.released !== null) return
        if (row.code !== 'MDM_PRIVACY_HELD')
          throw new MdmError('MDM_USAGE', `${id} is ${row.code}: only MDM_PRIVACY_HELD can be released`)
        if (row.holds === 0)
          throw new MdmError('MDM_USAGE', `${id} is sound and only waits: release the row that it waits for`)
        const { dn, issuer, spki } = caller
        const by = JSON.stringify({ dn, issuer, spki })
        await trx
          .updateTable('quarantine')
          .set({ released: time, released_by: by, release_reason: reason })
          .where('id', '=', id)
          .execute()
        await registerNext(trx, row, time)
        const { source, instances, reason: rule } = row
        await putOutbox(trx, {
          ...{ eventId: `quarantine-released:${id}:${time}`, event: 'quarantine-released', outcome: 'done' },
          ...{ caller, requestId },
          facts: { quarantine: id, source, instances, rule, digest: row.digest, reason },
        })
      })
      await flushOutbox(o.db, o.audit)
    },

    async retract(id, { reason, caller, requestId }) {
      const time = o.now().toISOString()
      const row = await inTransaction(o.db, async (trx) => {
        const row = await rowOf(trx, id)
        if (row.released === null) throw new MdmError('MDM_USAGE', `${id} was not released`)
        await trx
          .updateTable('quarantine')
          .set({ released: null, released_by: null, release_reason: null })
          .where('id', '=', id)
          .execute()
        await registerNext(trx, row, time)
        await putOutbox(trx, {
          ...{
            eventId: `quarantine-retracted:${id}:${time}`,
            event: 'quarantine-retracted',
            outcome: 'done',
          },
          ...{ caller, requestId },
          facts: { quarantine: id, source: row.source, reason },
        })
        return row
      })
      // The next look would do the same, but its source may be away, and what was seen must not be given out once more.
      const { source: name, study, series } = row
      for (const volume of await volumesOf(o.db, name, { study, series }))
        if (await holdsReleased(o.db, volume, row.reason))
          await markGone(o, volume, { source: { name }, caller })
      await flushOutbox(o.db, o.audit)
    },
  }
}

async function rowOf(db: SiteQueries, id: string): Promise<QuarantineTable> {
  const row = await db
    .selectFrom('quarantine')
    .selectAll()
    .where('id', '=', id)
    .where('dropped', 'is', null)
    .executeTakeFirst()
  if (row === undefined) throw new MdmError('MDM_NOT_FOUND', 'there is no such row in quarantine')
  return row
}

/** The journal takes the series up by itself, so that no end of a client or server leaves the decision without its consequence. */
async function registerNext(db: SiteQueries, row: QuarantineTable, updated: string): Promise<void> {
  await db
    .updateTable('journal')
    .set({ state: 'PENDING', code: null, updated })
    .where('source', '=', row.source)
    .where('study', '=', row.study)
    .where('series', '=', row.series)
    .execute()
}

async function holdsReleased(db: SiteQueries, { guid, latest }: KnownVolume, rule: string): Promise<boolean> {
  const slice = await db
    .selectFrom('slices')
    .select('slice_index')
    .where('guid', '=', guid)
    .where('version', '=', latest)
    .where('released', '=', rule)
    .executeTakeFirst()
  return slice !== undefined
}
