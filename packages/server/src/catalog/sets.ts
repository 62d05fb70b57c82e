import type { Guid, Version } from '@mdm/core/names'
import type { SeriesAxis } from '@mdm/core/volume/volume'
import type { SiteStore } from '../store/site-store.ts'

/** One volume of a set, in the version that belongs to this version of the set. */
export interface SetMember {
  readonly guid: Guid
  readonly version: Version
}

/** One version of a set; what is listed in it never changes. */
export interface SetRecord {
  readonly guid: Guid
  readonly version: Version
  /** newest version there is */
  readonly latest: Version
  readonly axis: SeriesAxis
  /** in order along the axis */
  readonly members: readonly SetMember[]
  /** true where the members are rescaled differently: as one grid they are real values */
  readonly realValues: boolean
  readonly registered: string
  /** since when its series, or the source of a member, does not have it */
  readonly goneSince?: string
}

/** Sets and their members; whose they are to see is decided in set-access.ts. */
export interface Sets {
  /** @returns undefined for a GUID that is of no set, or a version that it does not have */
  version(guid: Guid, version: Version): Promise<SetRecord | undefined>
  /** the versions there are, newest first */
  versions(guid: Guid): Promise<Version[]>
  /** GUIDs in order, from after `after` on */
  page(after: Guid | undefined, limit: number): Promise<Guid[]>
  /** sets that have this volume as a member in some version */
  holding(member: Guid): Promise<Guid[]>
}

export function openSets(db: SiteStore): Sets {
  return {
    async version(guid, version) {
      const row = await db
        .selectFrom('set_versions')
        .innerJoin('sets', 'sets.guid', 'set_versions.guid')
        .select(['sets.latest', 'sets.gone_since', 'set_versions.axis', 'set_versions.unit'])
        .select(['set_versions.real_values', 'set_versions.registered'])
        .where('set_versions.guid', '=', guid)
        .where('set_versions.version', '=', version)
        .executeTakeFirst()
      if (row === undefined) return undefined
      const rows = await db
        .selectFrom('set_members')
        .innerJoin('volumes', 'volumes.guid', 'set_members.member')
        .select(['set_members.member', 'set_members.member_version', 'set_members.value'])
        .select('volumes.gone_since')
        .where('set_members.guid', '=', guid)
        .where('set_members.version', '=', version)
        .orderBy('set_members.position')
        .execute()
      const gone = [row, ...rows].flatMap(({ gone_since: since }) => since ?? []).toSorted()[0]
      const { latest, registered, axis: name, unit, real_values: real } = row
      return {
        ...{ guid, version, latest, registered },
        axis: { name, ...(unit === null ? {} : { unit }), values: rows.map(({ value }) => value) },
        members: rows.map(({ member, member_version: of }) => ({ guid: member, version: of })),
        realValues: real === 1,
        ...(gone === undefined ? {} : { goneSince: gone }),
      }
    },

    async versions(guid) {
      const rows = await db
        .selectFrom('set_versions')
        .select('version')
        .where('guid', '=', guid)
        .orderBy('version', 'desc')
        .execute()
      return rows.map(({ version }) => version)
    },

    async page(after, limit) {
      const all = db.selectFrom('sets').select('guid')
      const rows = after === undefined ? all : all.where('guid', '>', after)
      return (await rows.orderBy('guid').limit(limit).execute()).map(({ guid }) => guid)
    },

    async holding(member) {
      const rows = await db
        .selectFrom('set_members')
        .select('guid')
        .distinct()
        .where('member', '=', member)
        .orderBy('guid')
        .execute()
      return rows.map(({ guid }) => guid)
    },
  }
}
