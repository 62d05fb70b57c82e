import type { Guid, Kid, Sha256 } from '@mdm/core/names'

export type JournalState = 'PENDING' | 'WAITING' | 'ACTIVE' | 'QUARANTINED'

/** One row per volume that was ever to be registered (J1). */
export interface JournalTable {
  volume_key: Sha256
  source: string
  study: string
  series: string
  /** names the series: the key of its only volume, whether it has one or several */
  series_key: Sha256
  state: JournalState
  code: string | null
  /** who asked, JSON {dn, issuer, spki} */
  caller: string
  created: string
  updated: string
  /** when the trigger was answered (J7) */
  acknowledged: string | null
}

/** Keys whose shares may lie on key servers without a volume; a row goes when they are deleted or in use. */
export interface AttemptsTable {
  kid: Kid
  guid: Guid
  volume_key: Sha256
  created: string
}

/** What was refused, for the administrator: rule, names of tags and a digest, no values. */
export interface QuarantineTable {
  id: string
  source: string
  study: string
  series: string
  code: string
  reason: string
  /** names of attributes, JSON */
  tags: string
  instances: number
  /** HMAC of the instances: the same refusal is the same row */
  digest: Sha256
  created: string
  /** when an administrator dropped it: a row that is kept so that the same refusal makes no new one */
  dropped: string | null
  /** objects that this row itself holds for privacy; 0 for all else */
  holds: number
  /** when, by whom (JSON {dn, issuer, spki}) and why a person let its pixels leave; such a row stays until that is taken back */
  released: string | null
  released_by: string | null
  release_reason: string | null
}

/** A key that lies on key servers and belongs to no volume of this store, since the store was put back. */
export interface FoundKeysTable {
  kid: Kid
  guid: Guid
  version: number
  volume_key: Sha256
  content_digest: Sha256
  manifest: string
  /** when the manifest was made */
  created: string
  /** how many key servers hold it */
  servers: number
}

/** A series that a trigger pointed at and that registration has not dealt with since: nothing but its name, never data. */
export interface NoticesTable {
  source: string
  study: string
  series: string
  /** which trigger was the first */
  noticed_by: string
  noticed: string
}

/** How a series stood at its source when registration last dealt with it: what a poll compares with. */
export interface SeriesCountsTable {
  source: string
  study: string
  series: string
  objects: number
  /** changes whenever what the source holds of the series does; null where the source gives none */
  mark: string | null
  counted: string
}

/** The last look of a trigger at a source that ended well. */
export interface SourceLooksTable {
  source: string
  looked_by: string
  looked: string
  /** how far a numbered list of changes was read */
  position: number | null
  /** whose list that is: SHA-256 of its address */
  list: Sha256 | null
}

/** Which key makes pseudonyms, once it is in use, and how it is split now: one row at the most, and never the key. */
export interface PseudonymKeyTable {
  /** first letters of what it makes: `p1` */
  generation: string
  /** under which the key servers hold it */
  guid: Guid
  kid: Kid
  epoch: number
  /** of this epoch, JWS */
  manifest: string
  since: string
}
