import type { ErrorCode } from '@mdm/core/errors'
import type { Guid, Kid, Sha256 } from '@mdm/core/names'
import type { AuditCaller } from '../audit/audit.ts'
import type { SeriesRef } from '../dicom/source.ts'
import type { JournalState } from '../store/site-schema.ts'
import type { SiteQueries, SiteStore } from '../store/site-store.ts'

/** A series whose registration has begun and not ended. */
export interface OpenEntry {
  readonly source: string
  readonly ref: SeriesRef
  readonly caller: AuditCaller
}

/** A key whose shares may lie on key servers though no volume uses it. */
export interface Attempt {
  readonly guid: Guid
  readonly kid: Kid
}

/** What registration has begun, durable before it acts, so that a restart finds the rest (J1). */
export interface Journal {
  /** Writes a volume down as PENDING; one that is known keeps its state. */
  begin(key: Sha256, of: OpenEntry & { ordinal: number }): Promise<void>
  /** Sets the state; `code` says why it waits or is refused. */
  set(key: Sha256, state: JournalState, code?: ErrorCode, db?: SiteQueries): Promise<void>
  state(key: Sha256): Promise<JournalState | undefined>
  /** What begins after volume `ordinal` of a series cannot be: it has no more. */
  settle(of: { source: string; ref: SeriesRef; ordinal: number }): Promise<void>
  /** The trigger has its answer (J7). */
  acknowledge(key: Sha256): Promise<void>
  /** Series that are PENDING or WAITING, the oldest first, each once. */
  open(): Promise<OpenEntry[]>
  /** How many volumes are PENDING or WAITING. */
  waiting(): Promise<number>
  /** Notes a key before its first share leaves. */
  attempt(key: Sha256, attempt: Attempt): Promise<void>
  attempts(): Promise<Attempt[]>
  /** The shares are gone, or the key is in use. */
  forget(kid: Kid, db?: SiteQueries): Promise<void>
}

export function openJournal(db: SiteStore, now: () => Date): Journal {
  return {
    async begin(key, { source, ref, caller, ordinal }) {
      const time = now().toISOString()
      const { dn, issuer, spki } = caller
      await db
        .insertInto('journal')
        .values({
          volume_key: key,
          source,
          study: ref.study,
          series: ref.series,
          ordinal,
          state: 'PENDING',
          code: null,
          caller: JSON.stringify({ dn, issuer, spki }),
          created: time,
          updated: time,
          acknowledged: null,
        })
        .onConflict((conflict) => conflict.column('volume_key').doNothing())
        .execute()
    },

    async set(key, state, code, queries = db) {
      await queries
        .updateTable('journal')
        .set({ state, code: code ?? null, updated: now().toISOString() })
        .where('volume_key', '=', key)
        .execute()
    },

    async state(key) {
      const row = await db
        .selectFrom('journal')
        .select('state')
        .where('volume_key', '=', key)
        .executeTakeFirst()
      return row?.state
    },

    async settle({ source, ref, ordinal }) {
      await db
        .updateTable('journal')
        .set({ state: 'QUARANTINED', code: 'MDM_GONE', updated: now().toISOString() })
        .where('state', 'in', ['PENDING', 'WAITING'])
        .where('source', '=', source)
        .where('study', '=', ref.study)
        .where('series', '=', ref.series)
        .where('ordinal', '>', ordinal)
        .execute()
    },

    async acknowledge(key) {
      await db
        .updateTable('journal')
        .set({ acknowledged: now().toISOString() })
        .where('volume_key', '=', key)
        .where('acknowledged', 'is', null)
        .execute()
    },

    async open() {
      const rows = await db
        .selectFrom('journal')
        .select(['source', 'study', 'series', 'caller'])
        .where('state', 'in', ['PENDING', 'WAITING'])
        .orderBy('created')
        .orderBy('volume_key')
        .execute()
      const entries = rows.map(({ source, study, series, caller }) => ({
        source,
        ref: { study, series },
        caller: JSON.parse(caller) as AuditCaller,
      }))
      return [...new Map(entries.map((entry) => [JSON.stringify([entry.source, entry.ref]), entry])).values()]
    },

    async waiting() {
      const { n } = await db
        .selectFrom('journal')
        .select((eb) => eb.fn.countAll().as('n'))
        .where('state', 'in', ['PENDING', 'WAITING'])
        .executeTakeFirstOrThrow()
      return Number(n)
    },

    async attempt(key, { guid, kid }) {
      await db
        .insertInto('attempts')
        .values({ kid, guid, volume_key: key, created: now().toISOString() })
        .execute()
    },

    attempts: async () =>
      await db.selectFrom('attempts').select(['guid', 'kid']).orderBy('created').execute(),

    async forget(kid, queries = db) {
      await queries.deleteFrom('attempts').where('kid', '=', kid).execute()
    },
  }
}
