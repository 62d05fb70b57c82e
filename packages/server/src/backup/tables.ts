/** Tables of a store with their primary keys, parents before those that refer to them: the order in which a backup holds them. */
export type Tables = Readonly<Record<string, readonly string[]>>

export const SITE_TABLES: Tables = {
  volumes: ['guid'],
  versions: ['guid', 'version'],
  replicas: ['guid', 'surl'],
  slices: ['guid', 'version', 'slice_index'],
  manifests: ['guid', 'version', 'epoch'],
  statements: ['scope', 'object', 'seq'],
  access_lists: ['scope', 'object'],
  patient: ['guid', 'version'],
  image: ['guid', 'version'],
  medical: ['guid', 'version'],
  dicom: ['guid', 'version'],
  protocol: ['guid', 'version'],
  journal: ['volume_key'],
  attempts: ['kid'],
  quarantine: ['id'],
  outbox: ['event_id'],
  counters: ['name'],
  restored: ['since'],
  found_keys: ['kid'],
  notices: ['source', 'study', 'series'],
  series_counts: ['source', 'study', 'series'],
  source_looks: ['source', 'looked_by'],
  changes: ['seq'],
  sets: ['guid'],
  set_versions: ['guid', 'version'],
  set_members: ['guid', 'version', 'position'],
  pseudonym_key: ['generation'],
}

/**
 * What no backup holds: what storage clients asked for. Pins are of a spool that is not in it either, and what was released since
 * must not come back; a client whose token is unknown asks again.
 */
export const SITE_LEFT_OUT = ['srm_requests', 'srm_files'] as const

export const KEYS_TABLES: Tables = {
  guid_owner: ['guid'],
  share: ['guid', 'kid', 'epoch'],
  acl_chain: ['site', 'scope', 'object'],
  acl_statement: ['site', 'scope', 'object', 'seq'],
  restored: ['since'],
  waiver: ['witness'],
}
