import type { ErrorCode } from '@mdm/core/errors'
import type { Guid, Kid, Sha256 } from '@mdm/core/names'
import type { AuditCaller } from '../audit/audit.ts'
import type { SeriesRef } from '../dicom/source.ts'
import type { JournalState } from '../store/registration-schema.ts'
import type { SiteQueries, SiteStore } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'

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
  /** Writes a series down as PENDING, under its handle, unless something of it is in the journal. */
  beginSeries(series: Sha256, of: OpenEntry): Promise<void>
  /** Writes what a series makes down as PENDING, all of it or nothing; what is known keeps its state. */
  begin(keys: readonly Sha256[], of: OpenEntry & { series: Sha256 }): Promise<void>
  /** Sets the state; `code` says why it waits or is refused. */
  set(key: Sha256, state: JournalState, code?: ErrorCode, db?: SiteQueries): Promise<void>
  /** True while something of a series is PENDING or WAITING. */
  isOpen(series: Sha256): Promise<boolean>
  /** What was begun of a series and is not among `made` cannot be; a row that only named the series goes once others name it. */
  settle(of: { source: string; series: Sha256; made: readonly Sha256[] }): Promise<void>
  /** A volume is known by another key from now on. */
  rename(from: Sha256, to: Sha256, db: SiteQueries): Promise<void>
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

/** Rows of one INSERT: no database takes more than some thousand parameters. */
const AT_ONCE = 50

export function openJournal(db: SiteStore, now: () => Date): Journal {
  const begin: Journal['begin'] = async (keys, { source, ref, caller, series }) => {
    const time = now().toISOString()
    const { dn, issuer, spki } = caller
    const rows = keys.map((key) => ({
      volume_key: key,
      series_key: series,
      source,
      study: ref.study,
      series: ref.series,
      state: 'PENDING' as const,
      code: null,
      caller: JSON.stringify({ dn, issuer, spki }),
      created: time,
      updated: time,
      acknowledged: null,
    }))
    await inTransaction(db, async (trx) => {
      for (let i = 0; i < rows.length; i += AT_ONCE)
        await trx
          .insertInto('journal')
          .values(rows.slice(i, i + AT_ONCE))
          .onConflict((conflict) => conflict.column('volume_key').doNothing())
          .execute()
    })
  }

  return {
    begin,

    async beginSeries(series, of) {
      const known = await db
        .selectFrom('journal')
        .select('volume_key')
        .where('series_key', '=', series)
        .executeTakeFirst()
      if (known === undefined) await begin([series], { ...of, series })
    },

    async set(key, state, code, queries = db) {
      await queries
        .updateTable('journal')
        .set({ state, code: code ?? null, updated: now().toISOString() })
        .where('volume_key', '=', key)
        .execute()
    },

    async isOpen(series) {
      const row = await db
        .selectFrom('journal')
        .select('volume_key')
        .where('series_key', '=', series)
        .where('state', 'in', ['PENDING', 'WAITING'])
        .executeTakeFirst()
      return row !== undefined
    },

    async settle({ source, series, made }) {
      const open = await db
        .selectFrom('journal')
        .select('volume_key as key')
        .where('series_key', '=', series)
        .where('source', '=', source)
        .where('state', 'in', ['PENDING', 'WAITING'])
        .execute()
      const meant = new Set(made)
      const updated = now().toISOString()
      const over = { state: 'QUARANTINED', code: 'MDM_GONE', updated } as const
      const there = { state: 'ACTIVE', code: null, updated } as const
      for (const { key } of open) {
        if (meant.has(key) || (made.length === 0 && key === series)) continue
        const state = (await isUsed(db, key)) ? there : over
        await db.updateTable('journal').set(state).where('volume_key', '=', key).execute()
      }
      if (made.length > 0 && !meant.has(series)) await dropUnused(db, series)
    },

    async rename(from, to, queries) {
      const over = { state: 'QUARANTINED' as const, code: 'MDM_GONE', updated: now().toISOString() }
      await queries.updateTable('journal').set(over).where('volume_key', '=', from).execute()
      await queries.updateTable('journal').set({ state: 'ACTIVE' }).where('volume_key', '=', to).execute()
      await dropUnused(queries, from)
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

/** Removes a row that names no volume or set, and no key whose shares may lie somewhere. */
async function dropUnused(db: SiteQueries, key: Sha256): Promise<void> {
  if (await isUsed(db, key)) return
  await db
    .deleteFrom('journal')
    .where('volume_key', '=', key)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('attempts').select('kid').where('attempts.volume_key', '=', key))),
    )
    .execute()
}

/** True for the key of a registered volume or set. */
async function isUsed(db: SiteQueries, key: Sha256): Promise<boolean> {
  const volume = await db
    .selectFrom('volumes')
    .select('guid')
    .where('volume_key', '=', key)
    .executeTakeFirst()
  if (volume !== undefined) return true
  return (
    (await db.selectFrom('sets').select('guid').where('set_key', '=', key).executeTakeFirst()) !== undefined
  )
}
