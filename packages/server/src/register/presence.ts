import type { Guid, Sha256, Version } from '@mdm/core/names'
import type { AuditCaller } from '../audit/audit.ts'
import { putChange } from '../catalog/changes.ts'
import { sliceOf } from '../catalog/records.ts'
import type { DicomSource, SeriesRef } from '../dicom/source.ts'
import type { SiteQueries } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { SliceRow } from '../volume/plan.ts'
import type { CommitOptions } from './commit.ts'
import { putOutbox } from './outbox.ts'

/** A source that shows none of so many known series is away, such as a disk that is not mounted. */
export const AWAY = 10

/** A registered volume of a series. */
export interface KnownVolume {
  readonly guid: Guid
  readonly latest: Version
  /** what its series calls it now */
  readonly label: string
  readonly key: Sha256
  /** of the newest version */
  readonly digest: Sha256
  readonly goneSince: string | null
}

type Announcing = Pick<CommitOptions, 'db' | 'site' | 'now'>

interface Seen {
  readonly source: Pick<DicomSource, 'name'>
  readonly caller: AuditCaller
}

/** The volumes that a source gave of a series, by label. */
export async function volumesOf(db: SiteQueries, source: string, ref: SeriesRef): Promise<KnownVolume[]> {
  return await known(db)
    .where('volumes.source', '=', source)
    .where('volumes.series', '=', ref.series)
    .where('volumes.study', '=', ref.study)
    .orderBy('volumes.label')
    .execute()
}

/** The volumes of a series, whichever source gave them. */
export async function volumesOfSeries(db: SiteQueries, ref: SeriesRef): Promise<KnownVolume[]> {
  return await known(db)
    .where('volumes.series', '=', ref.series)
    .where('volumes.study', '=', ref.study)
    .orderBy('volumes.label')
    .execute()
}

export async function knownVolume(db: SiteQueries, key: Sha256): Promise<KnownVolume | undefined> {
  return await known(db).where('volumes.volume_key', '=', key).executeTakeFirst()
}

/** True for a series that this source had once, by what is registered, refused or counted of it; a mere hint is not enough. */
export async function wasSeen(
  db: SiteQueries,
  source: string,
  { study, series }: SeriesRef,
): Promise<boolean> {
  const counted = await db
    .selectFrom('series_counts')
    .select('objects')
    .where('source', '=', source)
    .where('study', '=', study)
    .where('series', '=', series)
    .executeTakeFirst()
  if ((counted?.objects ?? 0) > 0 || (await volumesOf(db, source, { study, series })).length > 0) return true
  const refused = await db
    .selectFrom('quarantine')
    .select('id')
    .where('source', '=', source)
    .where('series', '=', series)
    .where('study', '=', study)
    .where('code', '<>', 'MDM_SOURCE_INCOMPLETE')
    .executeTakeFirst()
  return refused !== undefined
}

/** True when these objects hold every slice of the newest version: then it can still be delivered. */
export async function isThere(
  db: SiteQueries,
  { guid, latest }: KnownVolume,
  sops: ReadonlySet<string>,
): Promise<boolean> {
  const slices = await db
    .selectFrom('slices')
    .select('sop')
    .where('guid', '=', guid)
    .where('version', '=', latest)
    .execute()
  return slices.every(({ sop }) => sops.has(sop))
}

/** Names a slice among all of its series: an object may hold slices of several volumes, as frames or tiles. */
export function sliceName({ sop, frame = 0, tile }: Pick<SliceRow, 'sop' | 'frame' | 'tile'>): string {
  return tile === undefined ? `${sop} ${frame}` : `${sop} ${frame} ${tile.left},${tile.top}`
}

/** The slices of the newest version, by sliceName(). */
export async function sliceNames(
  db: SiteQueries,
  { guid, latest }: KnownVolume,
): Promise<ReadonlySet<string>> {
  const slices = await db
    .selectFrom('slices')
    .selectAll()
    .where('guid', '=', guid)
    .where('version', '=', latest)
    .execute()
  return new Set(slices.map((row) => sliceName(sliceOf(row))))
}

/**
 * The source no longer has a volume: it is marked, announced and audited in one transaction. Nothing is deleted, here or at a key
 * server: what went by mistake comes back as it was.
 *
 * @returns false when it was marked already
 * @see decision 36
 */
export async function markGone(o: Announcing, volume: KnownVolume, of: Seen): Promise<boolean> {
  return await inTransaction(o.db, async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('volumes')
      .set({ gone_since: o.now().toISOString() })
      .where('guid', '=', volume.guid)
      .where('gone_since', 'is', null)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return false
    await announce(trx, o, volume, { ...of, change: 'gone' })
    return true
  })
}

/** The source has a volume again, or another source of the site has: the version that was is there once more. */
export async function markReturned(o: Announcing, volume: KnownVolume, of: Seen): Promise<void> {
  const source = of.source.name
  await inTransaction(o.db, async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('volumes')
      .set({ gone_since: null, source })
      .where('guid', '=', volume.guid)
      .where('gone_since', 'is not', null)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return
    await trx.updateTable('replicas').set({ source }).where('guid', '=', volume.guid).execute()
    await announce(trx, o, volume, { ...of, change: 'returned' })
  })
}

async function announce(
  trx: SiteQueries,
  o: Announcing,
  { guid, latest: version }: KnownVolume,
  { change, source, caller }: Seen & { change: 'gone' | 'returned' },
): Promise<void> {
  const seq = await putChange(trx, { time: o.now().toISOString(), change, guid, version })
  await putOutbox(trx, {
    eventId: `${change}:${guid}:${seq}`,
    event: `volume-${change}`,
    outcome: 'done',
    ...{ caller, site: o.site, guid, version },
    facts: { source: source.name },
  })
}

function known(db: SiteQueries) {
  return db
    .selectFrom('volumes')
    .innerJoin('versions', (join) =>
      join.onRef('versions.guid', '=', 'volumes.guid').onRef('versions.version', '=', 'volumes.latest'),
    )
    .select(['volumes.guid', 'volumes.latest', 'volumes.label', 'volumes.volume_key as key'])
    .select(['versions.content_digest as digest', 'volumes.gone_since as goneSince'])
}
