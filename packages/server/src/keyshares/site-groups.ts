import { isMember } from '@mdm/core/acl/evaluate'
import type { Principal } from '@mdm/core/acl/principal'
import type { Chain } from '@mdm/core/acl/statement'
import type { Caller } from '@mdm/core/identity/identify'
import type { SiteId } from '@mdm/core/names'
import { siteChains } from './chain-store.ts'
import type { Db } from './share-store.ts'

/** What a site's administrators said about everyone: the members of its groups, and whom it banned. */
export interface SiteGroups {
  readonly groups: ReadonlyMap<string, Principal[]>
  isBanned(caller: Caller): boolean
}

/** Reads the groups and bans of a site as they are now; a statement that came a moment ago counts. */
export async function siteGroups(db: Db, site: SiteId): Promise<SiteGroups> {
  const [groupChains, bans] = [await siteChains(db, site, 'group:'), await siteChains(db, site, 'ban')]
  const groups = new Map(groupChains.map((chain) => [chain.object.slice('group:'.length), members(chain)]))
  return { groups, isBanned: (caller) => bans.some((chain) => isMember(chain, caller, groups)) }
}

/** True when the operator's own list names the caller; it knows no groups. */
export function isBannedHere(principals: readonly Principal[], caller: Caller): boolean {
  const entries = principals.map((to) => ({ to, rights: [], versions: 'all' as const }))
  return isMember({ entries }, caller)
}

function members(chain: Chain): Principal[] {
  return chain.entries.map((entry) => entry.to)
}
