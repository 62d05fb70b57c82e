import { isMember } from '@mdm/core/acl/evaluate'
import type { Principal } from '@mdm/core/acl/principal'
import type { Caller } from '@mdm/core/identity/identify'
import type { AclObject } from '@mdm/core/wire/common'
import type { SiteStore } from '../store/site-store.ts'
import type { AccessLists } from './access-lists.ts'

/** Who belongs to which group and who is banned, as the signed statements of the site say. */
export interface Groups {
  all(): Promise<ReadonlyMap<string, Principal[]>>
  isBanned(caller: Caller): Promise<boolean>
  /** To be called when a list of the site has changed. */
  forget(): void
}

export function openGroups(db: SiteStore, lists: AccessLists): Groups {
  let known: Promise<ReadonlyMap<string, Principal[]>> | undefined
  const groups: Groups = {
    all() {
      if (known !== undefined) return known
      const reading = read(db, lists)
      known = reading
      // What could not be read now is asked again.
      reading.catch(() => {
        if (known === reading) known = undefined
      })
      return reading
    },
    isBanned: async (caller) => isMember(await lists.get('site', 'ban'), caller, await groups.all()),
    forget: () => (known = undefined),
  }
  return groups
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
    const { entries } = await lists.get('site', object)
    groups.set(
      object.slice('group:'.length),
      entries.map((entry) => entry.to),
    )
  }
  return groups
}
