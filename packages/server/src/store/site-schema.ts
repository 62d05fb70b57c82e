import type { Guid, Kid, Lfn, Sha256, Surl } from '@mdm/core/names'
import type { AxisName, AxisUnit } from '@mdm/core/volume/volume'
import type { ChangeKind } from '@mdm/core/wire/changes'
import type { AclObject, Scope } from '@mdm/core/wire/common'
import type { TABLES, TableName } from '../metadata/columns.ts'
import type {
  JournalTable,
  AttemptsTable,
  QuarantineTable,
  FoundKeysTable,
  NoticesTable,
  SeriesCountsTable,
  SourceLooksTable,
  PseudonymKeyTable,
} from './registration-schema.ts'
import type { SrmFilesTable, SrmRequestsTable } from './srm-schema.ts'

/**
 * The site's database (decision 10: it is patient data). Times are ISO 8601 text, JSON is text, lengths are bytes; only what
 * SQLite and PostgreSQL both know. A row of `volumes` exists only once its registration is complete (J5).
 */
export interface SiteSchema {
  volumes: VolumesTable
  versions: VersionsTable
  replicas: ReplicasTable
  slices: SlicesTable
  manifests: ManifestsTable
  statements: StatementsTable
  access_lists: AccessListsTable
  patient: MetadataTable<'patient'>
  image: MetadataTable<'image'>
  medical: MetadataTable<'medical'>
  dicom: MetadataTable<'dicom'>
  protocol: MetadataTable<'protocol'>
  journal: JournalTable
  attempts: AttemptsTable
  quarantine: QuarantineTable
  outbox: OutboxTable
  counters: CountersTable
  /** says that the store was put back from a backup and its key servers have not yet said what was registered since */
  restored: { since: string }
  found_keys: FoundKeysTable
  notices: NoticesTable
  series_counts: SeriesCountsTable
  source_looks: SourceLooksTable
  changes: ChangesTable
  sets: SetsTable
  set_versions: SetVersionsTable
  set_members: SetMembersTable
  pseudonym_key: PseudonymKeyTable
  srm_requests: SrmRequestsTable
  srm_files: SrmFilesTable
}

/** One volume for ever; its contents are `versions`. */
export interface VolumesTable {
  guid: Guid
  lfn: Lfn
  source: string
  study: string
  series: string
  /** which volume of the series; '' for the only one */
  label: string
  /** HMAC of site, study, series and label: one GUID per volume (I3) */
  volume_key: Sha256
  latest: number
  /** since when its source no longer has it */
  gone_since: string | null
}

export interface VersionsTable {
  guid: Guid
  version: number
  kid: Kid
  profile: string
  /** the model, JSON */
  volume: string
  /** the NRRD header, ASCII */
  header: string
  slice_bytes: number
  plaintext_bytes: number
  container_bytes: number
  /** SHA-256 over the slice rows and the header: tells a corrected series from a known one */
  content_digest: Sha256
  plaintext_sha256: Sha256 | null
  registered: string
}

export interface ReplicasTable {
  guid: Guid
  surl: Surl
  site: string
  source: string
}

/** One slice of one version; the instance GUID is a name for it. */
export interface SlicesTable {
  guid: Guid
  version: number
  slice_index: number
  instance_guid: Guid
  sop: string
  rows: number
  columns: number
  /** three numbers, JSON */
  position: string
  /** six numbers, JSON */
  orientation: string
  bits_allocated: number
  bits_stored: number
  high_bit: number
  pixel_representation: number
  slope: number
  intercept: number
  /** the rule that held its object until a person released it */
  released: string | null
  /** of its object, from 0 */
  frame: number
  /** where it lies in its frame, JSON {left, top}; null where it is the whole frame */
  tile: string | null
  /** SHA-256 of the table that makes values of its numbers; null where there is none */
  value_table: Sha256 | null
}

export interface ManifestsTable {
  guid: Guid
  version: number
  epoch: number
  jws: string
}

/** Every signed change of every access list, as it was signed. */
export interface StatementsTable {
  scope: Scope
  object: AclObject
  seq: number
  digest: Sha256
  jws: string
  stored: string
}

/** What a chain of statements comes to, so that thousands of lists need not be replayed; sealed with a key of the site. */
export interface AccessListsTable {
  scope: Scope
  object: AclObject
  seq: number
  head: Sha256
  /** what the chain says now, JSON */
  state: string
  /** HMAC of the other columns */
  seal: Sha256
}

/** One row per version: what the headers of these very objects say. */
export type MetadataTable<T extends TableName> = { guid: Guid; version: number } & {
  [C in keyof (typeof TABLES)[T]]: ((typeof TABLES)[T][C] extends { type: 'number' } ? number : string) | null
}

/** Volumes of one series that belong together along one more axis; it has no key and no list of its own. */
export interface SetsTable {
  guid: Guid
  /** HMAC of site, study, series and label: one GUID per set */
  set_key: Sha256
  source: string
  study: string
  series: string
  label: string
  latest: number
  /** since when its series does not make it */
  gone_since: string | null
}

export interface SetVersionsTable {
  guid: Guid
  version: number
  axis: AxisName
  unit: AxisUnit | null
  /** 1 where the members are rescaled differently, so that only their real values make one grid */
  real_values: number
  /** SHA-256 over all that a version of a set says */
  digest: Sha256
  registered: string
}

export interface SetMembersTable {
  guid: Guid
  version: number
  /** along the axis, from 0 */
  position: number
  member: Guid
  member_version: number
  value: number
}

/** What happened to volumes, in the order of the commits. */
export interface ChangesTable {
  /** from counter `changes` */
  seq: number
  time: string
  guid: Guid
  version: number
  change: ChangeKind
}

/** Audit events that belong to a commit and are written to the log after it (J6). */
export interface OutboxTable {
  event_id: string
  /** order of the commits, from counter `outbox` */
  position: number
  event: string
}

export interface CountersTable {
  name: string
  value: number
}

/** The counter that says up to which version sets may have come before the store was put back. */
export const SET_VERSIONS_SKIPPED = 'set-versions-skipped'
