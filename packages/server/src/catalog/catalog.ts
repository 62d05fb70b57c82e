import { MdmError } from '@mdm/core/errors'
import type { Guid, Kid, Lfn, Sha256, SiteId, Surl, Version, VolumeName } from '@mdm/core/names'
import type { Volume } from '@mdm/core/volume/volume'
import type { SiteStore } from '../store/site-store.ts'
import type { SliceRow } from '../volume/plan.ts'
import { recordOf, sliceOf } from './records.ts'

/** All that is registered of one version of a volume; delivery needs nothing else. Site-internal: names the patient's study. */
export interface VolumeRecord {
  readonly guid: Guid
  readonly version: Version
  readonly kid: Kid
  readonly lfn: Lfn
  readonly surl: Surl
  readonly site: SiteId
  readonly source: string
  readonly study: string
  readonly series: string
  readonly plaintextBytes: number
  readonly containerBytes: number
  /** NRRD header; the plaintext is these bytes, then the slices */
  readonly header: Buffer
  readonly sliceBytes: number
  /** in the order of the volume */
  readonly slices: readonly SliceRow[]
  readonly volume: Volume
  /** JWS of the newest epoch */
  readonly manifest: string
  /** code of the de-identification profile */
  readonly profile: string
  /** of the whole plaintext, hex; from the first SEALED preparation on */
  readonly plaintextSha256?: Sha256
  readonly registered: string
  /** since when the source no longer has the volume */
  readonly goneSince?: string
}

/** The same without what only a preparation needs: a row of `mdm ls` or `mdm stat`. */
export type VolumeSummary = Pick<
  VolumeRecord,
  | 'guid'
  | 'version'
  | 'kid'
  | 'profile'
  | 'lfn'
  | 'surl'
  | 'containerBytes'
  | 'volume'
  | 'plaintextSha256'
  | 'registered'
  | 'goneSince'
>

/** A summary with the way to the rest: a record holds every slice, of which there may be thousands. */
export interface UnreadVolume extends VolumeSummary {
  /** @throws MDM_NOT_FOUND where the catalog has it no more */
  read(): Promise<VolumeRecord>
}

/** What a name means, whoever asks: no right is looked at here. */
export interface Found {
  readonly guid: Guid
  /** newest version there is */
  readonly latest: Version
  /** the version the name itself says: GUID@2, or the version an instance GUID belongs to */
  readonly version?: Version
  /** for an instance GUID: its slice, from 0 */
  readonly slice?: number
}

/** GUID, versions, LFN, SURL, replicas, checksums and sizes (paper 3.2, FiReMAN's part). Decides nothing: access.ts does. */
export interface Catalog {
  /** @returns undefined for a name that nothing has */
  find(name: VolumeName): Promise<Found | undefined>
  volume(guid: Guid, version: Version): Promise<VolumeRecord | undefined>
  summary(guid: Guid, version: Version): Promise<VolumeSummary | undefined>
  /** Where the volume can be asked for. */
  replicas(guid: Guid): Promise<Surl[]>
  /** Instance GUIDs of one version, in the order of its slices. */
  instances(guid: Guid, version: Version): Promise<Guid[]>
  /** GUIDs in order, from after `after` on, with their newest version */
  page(after: Guid | undefined, limit: number): Promise<{ guid: Guid; latest: Version; isGone: boolean }[]>
  /** @throws MDM_GONE when the source of the volume no longer has it */
  requireThere(guid: Guid): Promise<void>
  /**
   * Records the plaintext digest of the first SEALED preparation and compares every later one (decision 3).
   *
   * @throws MDM_SOURCE_CHANGED when another digest is recorded already
   */
  recordDigest(guid: Guid, version: Version, sha256: Sha256): Promise<void>
}

/** @param o `site` is the name of this site */
export function openCatalog(db: SiteStore, o: { site: SiteId }): Catalog {
  return {
    async find(name) {
      if ('guid' in name) return (await byGuid(db, name.guid, name.version)) ?? (await byInstance(db, name))
      if ('instance' in name) return await byInstance(db, { guid: name.instance })
      const guids = db.selectFrom('volumes').innerJoin('replicas', 'replicas.guid', 'volumes.guid')
      const row = await (
        'lfn' in name
          ? guids.where('volumes.lfn', '=', name.lfn)
          : guids.where('replicas.surl', '=', name.surl)
      )
        .select(['volumes.guid', 'volumes.latest'])
        .executeTakeFirst()
      return row
    },

    async volume(guid, version) {
      const row = await summaries(db)
        .innerJoin('manifests', (join) =>
          join
            .onRef('manifests.guid', '=', 'versions.guid')
            .onRef('manifests.version', '=', 'versions.version'),
        )
        .select([
          'versions.header',
          'versions.slice_bytes',
          'versions.plaintext_bytes',
          'volumes.source',
          'volumes.study',
          'volumes.series',
          'manifests.jws',
        ])
        .where('versions.guid', '=', guid)
        .where('versions.version', '=', version)
        .orderBy('manifests.epoch', 'desc')
        .executeTakeFirst()
      if (row === undefined) return undefined
      const slices = await db
        .selectFrom('slices')
        .selectAll()
        .where('guid', '=', guid)
        .where('version', '=', version)
        .orderBy('slice_index')
        .execute()
      return recordOf(row, slices.map(sliceOf), o.site)
    },

    async summary(guid, version) {
      const row = await summaries(db)
        .where('versions.guid', '=', guid)
        .where('versions.version', '=', version)
        .executeTakeFirst()
      if (row === undefined) return undefined
      const { kid, profile, lfn, surl, registered, plaintext_sha256: sha256, gone_since: goneSince } = row
      return {
        ...{ guid, version, kid, profile, lfn, surl, registered },
        containerBytes: Number(row.container_bytes),
        volume: JSON.parse(row.volume) as Volume,
        ...(sha256 === null ? {} : { plaintextSha256: sha256 }),
        ...(goneSince === null ? {} : { goneSince }),
      }
    },

    async replicas(guid) {
      const rows = await db
        .selectFrom('replicas')
        .select('surl')
        .where('guid', '=', guid)
        .orderBy('surl')
        .execute()
      return rows.map((row) => row.surl)
    },

    async instances(guid, version) {
      const rows = await db
        .selectFrom('slices')
        .select('instance_guid')
        .where('guid', '=', guid)
        .where('version', '=', version)
        .orderBy('slice_index')
        .execute()
      return rows.map((row) => row.instance_guid)
    },

    async page(after, limit) {
      const all = db.selectFrom('volumes').select(['guid', 'latest', 'gone_since'])
      const rows = after === undefined ? all : all.where('guid', '>', after)
      const page = await rows.orderBy('guid').limit(limit).execute()
      return page.map(({ guid, latest, gone_since: since }) => ({ guid, latest, isGone: since !== null }))
    },

    async requireThere(guid) {
      const row = await db
        .selectFrom('volumes')
        .select('gone_since')
        .where('guid', '=', guid)
        .executeTakeFirst()
      if (row?.gone_since !== null) throw new MdmError('MDM_GONE')
    },

    async recordDigest(guid, version, sha256) {
      await db
        .updateTable('versions')
        .set({ plaintext_sha256: sha256 })
        .where('guid', '=', guid)
        .where('version', '=', version)
        .where('plaintext_sha256', 'is', null)
        .execute()
      const row = await db
        .selectFrom('versions')
        .select('plaintext_sha256')
        .where('guid', '=', guid)
        .where('version', '=', version)
        .executeTakeFirst()
      if (row === undefined) throw new MdmError('MDM_NOT_FOUND')
      if (row.plaintext_sha256 !== sha256) throw new MdmError('MDM_SOURCE_CHANGED')
    },
  }
}

function summaries(db: SiteStore) {
  return db
    .selectFrom('versions')
    .innerJoin('volumes', 'volumes.guid', 'versions.guid')
    .innerJoin('replicas', 'replicas.guid', 'versions.guid')
    .select([
      'versions.guid',
      'versions.version',
      'versions.kid',
      'versions.profile',
      'versions.volume',
      'versions.container_bytes',
      'versions.plaintext_sha256',
      'versions.registered',
      'volumes.lfn',
      'volumes.gone_since',
      'replicas.surl',
    ])
}

async function byGuid(db: SiteStore, guid: Guid, version: Version | undefined): Promise<Found | undefined> {
  const row = await db
    .selectFrom('volumes')
    .select(['guid', 'latest'])
    .where('guid', '=', guid)
    .executeTakeFirst()
  return row === undefined || version === undefined ? row : { ...row, version }
}

/** An instance GUID names (volume, slice) of one version; a version beside it must be that one. */
async function byInstance(
  db: SiteStore,
  name: { guid: Guid; version?: Version | undefined },
): Promise<Found | undefined> {
  const row = await db
    .selectFrom('slices')
    .innerJoin('volumes', 'volumes.guid', 'slices.guid')
    .select(['volumes.guid', 'volumes.latest', 'slices.version', 'slices.slice_index'])
    .where('slices.instance_guid', '=', name.guid)
    .executeTakeFirst()
  if (row === undefined || (name.version !== undefined && name.version !== row.version)) return undefined
  return { guid: row.guid, latest: row.latest, version: row.version, slice: row.slice_index }
}
