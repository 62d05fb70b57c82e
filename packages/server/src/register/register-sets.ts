import type { Guid, Sha256 } from '@mdm/core/names'
import type { RegisteredSet } from '@mdm/core/wire/register'
import type { SeriesRef } from '../dicom/source.ts'
import type { SiteQueries } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { SeriesPlan, SetPlan, VolumePlan } from '../volume/plan.ts'
import { flushOutbox } from './outbox.ts'
import { knownVolume } from './presence.ts'
import { registerSet, tell, type NewSet } from './register-set.ts'
import type { RegisterOptions, SeriesJob } from './register-series.ts'
import { renamings } from './rename.ts'

/** What a series makes, once its volumes were dealt with. */
export interface MadeSeries {
  readonly plan: SeriesPlan
  /** keys of `plan.volumes`; undefined for one that waits for a key server */
  readonly volumes: readonly (Sha256 | undefined)[]
  /** keys of `plan.sets` */
  readonly sets: readonly Sha256[]
}

/**
 * Registers the sets of a series whose volumes are all registered; one with a volume that waits stays PENDING in the journal, which
 * brings the series here again. A known set that the series does not make now is gone, unless something of the series is refused
 * and all members of the set are there.
 */
export async function* registerSets(
  o: RegisterOptions,
  of: SeriesJob,
  made: MadeSeries,
): AsyncGenerator<{ type: 'set'; set: RegisteredSet }> {
  const sets: NewSet[] = []
  for (const [i, plan] of made.plan.sets.entries()) {
    const members = await membersOf(o, made, plan)
    if (members !== undefined) sets.push({ key: made.sets[i]!, plan, members })
  }
  await renameSets(o, of.ref, sets)
  for (const set of sets) {
    const registered = await registerSet(o, of, set)
    if (registered !== undefined) yield { type: 'set', set: registered }
  }
  await withdrawSets(o, of, made.plan)
  await flushOutbox(o.db, o.audit)
}

async function membersOf(
  o: RegisterOptions,
  { plan, volumes }: MadeSeries,
  set: SetPlan,
): Promise<NewSet['members'] | undefined> {
  const members: { guid: Guid; version: number; plan: VolumePlan }[] = []
  for (const index of set.members) {
    const key = volumes[index]
    const known = key === undefined ? undefined : await knownVolume(o.db, key)
    if (known === undefined) return undefined
    members.push({ guid: known.guid, version: known.latest, plan: plan.volumes[index]! })
  }
  return members
}

interface KnownSet {
  readonly guid: Guid
  readonly version: number
  readonly key: Sha256
  readonly source: string
  readonly label: string
  readonly goneSince: string | null
  /** GUIDs of its members */
  readonly parts: ReadonlySet<string>
}

async function setsOfSeries(db: SiteQueries, ref: SeriesRef): Promise<KnownSet[]> {
  const rows = await db
    .selectFrom('sets')
    .select(['guid', 'latest as version', 'set_key as key', 'source', 'label', 'gone_since as goneSince'])
    .where('series', '=', ref.series)
    .where('study', '=', ref.study)
    .orderBy('label')
    .execute()
  return await Promise.all(
    rows.map(async (row) => {
      const members = await db
        .selectFrom('set_members')
        .select('member')
        .where('guid', '=', row.guid)
        .where('version', '=', row.version)
        .execute()
      return { ...row, parts: new Set(members.map(({ member }) => member)) }
    }),
  )
}

/** A set keeps its GUID where its series calls it otherwise now, as volumes do. */
async function renameSets(o: RegisterOptions, ref: SeriesRef, sets: readonly NewSet[]): Promise<void> {
  const now = sets.map(({ plan, members }) => ({
    label: plan.label,
    parts: new Set(members.map(({ guid }) => guid)),
  }))
  const keys = new Map(sets.map(({ key, plan }) => [plan.label, key]))
  for (const [{ guid, key }, label] of renamings(await setsOfSeries(o.db, ref), now)) {
    const to = keys.get(label)!
    await inTransaction(o.db, async (trx) => {
      await trx.updateTable('sets').set({ label, set_key: to }).where('guid', '=', guid).execute()
      await o.journal.rename(key, to, trx)
    })
  }
}

async function withdrawSets(o: RegisterOptions, of: SeriesJob, plan: SeriesPlan): Promise<void> {
  const made = new Set(plan.sets.map(({ label }) => label))
  for (const set of await setsOfSeries(o.db, of.ref)) {
    if (made.has(set.label) || set.goneSince !== null || set.source !== of.source.name) continue
    if (plan.refused.length > 0 && (await allThere(o.db, set))) continue
    await inTransaction(o.db, async (trx) => {
      const since = { gone_since: o.now().toISOString() }
      await trx.updateTable('sets').set(since).where('guid', '=', set.guid).execute()
      await tell(trx, o, of, { ...set, change: 'gone' })
    })
  }
}

async function allThere(db: SiteQueries, { parts }: KnownSet): Promise<boolean> {
  for (const guid of parts) {
    const row = await db
      .selectFrom('volumes')
      .select('gone_since')
      .where('guid', '=', guid as Guid)
      .executeTakeFirst()
    if (row?.gone_since !== null) return false
  }
  return true
}
