import type { Principal } from '@mdm/core/acl/principal'
import type { AclObject } from '@mdm/core/wire/common'
import type { SiteStore } from '../store/site-store.ts'
import type { AccessLists } from './access-lists.ts'

/** Who belongs to which group, as the signed statements of the site say. */
export interface Groups {
  all(): Promise<ReadonlyMap<string, Principal[]>>
  /** To be called when a group's list has changed. */
  forget(): void
}

export function openGroups(db: SiteStore, lists: AccessLists): Groups {
  let known: Promise<ReadonlyMap<string, Principal[]>> | undefined
  return {
    all: () => (known ??= read(db, lists)),
    forget: () => (known = undefined),
  }
}

async function read(db: SiteStore, lists: AccessLists): Promise<ReadonlyMap<string, Principal[]>> {
  const rows = await db
    .selectFrom('access_lists')
    .select('object')
    .where('scope', '=', 'site')
    .where('object', 'like', 'group:%' as AclObject)
    .orderBy('object')
    .execute()
  const groups = new Map<string, Principal[]>()
  for (const { object } of rows) {
    const list = await lists.get('site', object)
    groups.set(
      object.slice('group:'.length),
      list.entries.map((entry) => entry.to),
    )
  }
  return groups
}
