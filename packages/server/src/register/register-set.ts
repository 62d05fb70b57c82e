import { createHash } from 'node:crypto'
import { newGuid, type Guid, type Sha256, type Version } from '@mdm/core/names'
import type { RegisteredSet } from '@mdm/core/wire/register'
import { SET_VERSIONS_SKIPPED } from '../store/site-schema.ts'
import type { SiteQueries } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { SetPlan, VolumePlan } from '../volume/plan.ts'
import { setGuid } from './fingerprints.ts'
import { putOutbox } from './outbox.ts'
import type { RegisterOptions, SeriesJob } from './register-series.ts'

/** Rows of one INSERT: no database takes more than some thousand parameters. */
const MEMBERS_AT_ONCE = 100

/** A set as the headers of today give it, all of whose volumes are registered. */
export interface NewSet {
  readonly key: Sha256
  readonly plan: SetPlan
  /** in order along the axis */
  readonly members: readonly { readonly guid: Guid; readonly version: Version; readonly plan: VolumePlan }[]
}

/**
 * Registers a set, or its next version where members, their versions or values are others; in one transaction with its audit event and
 * its row of the journal (S1). One that is known as it is stays as it is, or is there again.
 *
 * @returns undefined for a set that is known
 */
export async function registerSet(
  o: RegisterOptions,
  of: Pick<SeriesJob, 'source' | 'ref' | 'caller'>,
  set: NewSet,
): Promise<RegisteredSet | undefined> {
  const digest = digestOf(set)
  const done = await inTransaction(o.db, async (trx) => {
    const known = await knownSet(trx, set.key)
    await o.journal.set(set.key, 'ACTIVE', undefined, trx)
    if (known?.digest === digest) {
      if (known.goneSince !== null)
        await tell(trx, o, of, { ...known, version: known.latest, change: 'returned' })
      await trx
        .updateTable('sets')
        .set({ gone_since: null, source: of.source.name })
        .where('guid', '=', known.guid)
        .execute()
      return undefined
    }
    const skipped = await trx
      .selectFrom('counters')
      .select('value')
      .where('name', '=', SET_VERSIONS_SKIPPED)
      .executeTakeFirst()
    const guid = known?.guid ?? (await freeGuid(trx, setGuid(o.localKey, set.key)))
    const version = Math.max(known?.latest ?? 0, Number(skipped?.value ?? 0)) + 1
    await putSet(trx, of, set, { guid, version, isNew: known === undefined })
    await putVersion(trx, set, { guid, version, digest, registered: o.now().toISOString() })
    await tell(trx, o, of, { guid, version, change: 'registered', volumes: set.members.length })
    const { axis } = set.plan
    return { guid, version, source: of.source.name, axis, volumes: set.members.length }
  })
  if (done !== undefined) await o.after?.('S1')
  return done
}

/** Writes the audit event of a set into the outbox. */
export async function tell(
  trx: SiteQueries,
  o: Pick<RegisterOptions, 'site' | 'now'>,
  { source, caller }: Pick<SeriesJob, 'source' | 'caller'>,
  of: { guid: Guid; version: Version; change: 'registered' | 'gone' | 'returned'; volumes?: number },
): Promise<void> {
  const { guid, version, change, volumes } = of
  const time = change === 'registered' ? '' : `:${o.now().toISOString()}`
  await putOutbox(trx, {
    eventId: `set-${change}:${guid}@${version}${time}`,
    event: `set-${change}`,
    outcome: 'done',
    ...{ caller, site: o.site, guid, version },
    facts: { source: source.name, ...(volumes === undefined ? {} : { volumes }) },
  })
}

function digestOf({ plan, members }: NewSet): Sha256 {
  const { axis, unit, values } = plan
  const content = [axis, unit ?? null, values, members.map(({ guid, version }) => [guid, version])]
  return createHash('sha256').update(JSON.stringify(content)).digest('hex')
}

async function knownSet(db: SiteQueries, key: Sha256) {
  return await db
    .selectFrom('sets')
    .innerJoin('set_versions', (join) =>
      join.onRef('set_versions.guid', '=', 'sets.guid').onRef('set_versions.version', '=', 'sets.latest'),
    )
    .select(['sets.guid', 'sets.latest', 'sets.gone_since as goneSince', 'set_versions.digest'])
    .where('sets.set_key', '=', key)
    .executeTakeFirst()
}

/** The GUID made of a key may be that of a set which has another label since. */
async function freeGuid(db: SiteQueries, guid: Guid): Promise<Guid> {
  const used = await db.selectFrom('sets').select('guid').where('guid', '=', guid).executeTakeFirst()
  return used === undefined ? guid : newGuid()
}

async function putSet(
  db: SiteQueries,
  { source, ref }: Pick<SeriesJob, 'source' | 'ref'>,
  { key, plan }: NewSet,
  { guid, version, isNew }: { guid: Guid; version: Version; isNew: boolean },
): Promise<void> {
  const now = { source: source.name, latest: version, gone_since: null }
  const { study, series } = ref
  if (isNew)
    await db
      .insertInto('sets')
      .values({ guid, set_key: key, study, series, label: plan.label, ...now })
      .execute()
  else await db.updateTable('sets').set(now).where('guid', '=', guid).execute()
}

async function putVersion(
  db: SiteQueries,
  { plan, members }: NewSet,
  of: { guid: Guid; version: Version; digest: Sha256; registered: string },
): Promise<void> {
  const { axis, unit, values } = plan
  const scales = new Set(members.map(({ plan: { volume } }) => `${volume.slope} ${volume.intercept}`))
  await db
    .insertInto('set_versions')
    .values({ ...of, axis, unit: unit ?? null, real_values: scales.size > 1 ? 1 : 0 })
    .execute()
  const { guid, version } = of
  const rows = members.map((member, position) => ({
    ...{ guid, version, position, value: values[position]! },
    ...{ member: member.guid, member_version: member.version },
  }))
  for (let i = 0; i < rows.length; i += MEMBERS_AT_ONCE)
    await db
      .insertInto('set_members')
      .values(rows.slice(i, i + MEMBERS_AT_ONCE))
      .execute()
}
