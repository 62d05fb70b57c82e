import type { Caller } from '../identity/identify.ts'
import { leaves } from '../identity/limits.ts'
import type { TrustedRoster } from '../identity/roster.ts'
import type { Version } from '../names.ts'
import type { Chain } from './chain.ts'
import type { AclEntry, Right } from './change.ts'
import type { Principal } from './principal.ts'
import { isAdministratorKey } from './signer.ts'

/** Groups within groups are followed this deep. */
const MAX_DEPTH = 8

/** What a decision needs of a chain. */
export type List = Pick<Chain, 'entries' | 'administrators' | 'object' | 'scope'>

export interface Circumstances {
  readonly now: Date
  /** members of each group; evaluated at the time of the request */
  readonly groups?: ReadonlyMap<string, readonly Principal[]>
}

/** True when some entry gives the caller the right on this version; all else is denied (paper 3.2, security by default). */
export function allows(
  list: List,
  caller: Caller,
  right: Right,
  o: Circumstances & { version: Version },
): boolean {
  const versions = allowedVersions(list, caller, right, o)
  return versions === 'all' || versions.includes(o.version)
}

/** Every version on which the caller has the right: the union of all entries that name him. */
export function allowedVersions(
  list: List,
  caller: Caller,
  right: Right,
  o: Circumstances,
): 'all' | number[] {
  if (caller.kind === 'user' && !leaves(caller.limits, list.scope, list.object, right)) return []
  const versions = new Set<number>()
  for (const entry of list.entries) {
    if (!gives(entry, right) || ended(entry, o.now) || !names(entry.to, caller, o.groups ?? new Map()))
      continue
    if (entry.versions === 'all') return 'all'
    for (const version of entry.versions) versions.add(version)
  }
  return [...versions].sort((a, b) => a - b)
}

/** True when the caller's own key is one of the roster's administrators: what register, quarantine and preview ask. */
export function administersSite(caller: Caller, roster: TrustedRoster): boolean {
  return showsOwnKey(caller) && roster.administrators.has(caller.spki)
}

/** True when the caller holds a key that may change this list; his name does not matter. */
export function isAdministrator(
  list: Pick<Chain, 'administrators'>,
  caller: Caller,
  roster: TrustedRoster,
): boolean {
  return caller.kind !== 'key-server' && showsOwnKey(caller) && isAdministratorKey(list, caller.spki, roster)
}

/** A proxy never administers, not even one made for the key of an administrator. */
function showsOwnKey(caller: Caller): boolean {
  return caller.kind !== 'user' || caller.proxy === undefined
}

/** True when a list such as the ban list names the caller. */
export function isMember(
  list: Pick<List, 'entries'>,
  caller: Caller,
  groups: ReadonlyMap<string, readonly Principal[]> = new Map(),
): boolean {
  return list.entries.some((entry) => names(entry.to, caller, groups))
}

/** The views of a metadata table hold each other: who may read all may read the least. */
function gives(entry: AclEntry, right: Right): boolean {
  if (entry.rights.includes(right)) return true
  if (right === 'basic') return entry.rights.includes('research') || entry.rights.includes('read')
  return right === 'research' && entry.rights.includes('read')
}

function ended(entry: AclEntry, now: Date): boolean {
  return entry.expires !== undefined && Date.parse(entry.expires) <= now.getTime()
}

function names(
  principal: Principal,
  caller: Caller,
  groups: ReadonlyMap<string, readonly Principal[]>,
): boolean {
  // Level by level, each group once: cycles end, and many groups within each other cost no more than their sizes.
  const seen = new Set<string>()
  let level: readonly Principal[] = [principal]
  for (let depth = 0; level.length > 0; depth++) {
    if (level.some((member) => isCaller(member, caller))) return true
    if (depth === MAX_DEPTH) return false
    const inner: Principal[] = []
    for (const member of level) {
      if (member.kind !== 'group' || seen.has(member.name)) continue
      seen.add(member.name)
      for (const one of groups.get(member.name) ?? []) inner.push(one)
    }
    level = inner
  }
  return false
}

function isCaller(principal: Principal, caller: Caller): boolean {
  if (principal.kind === 'service') return caller.kind === 'service' && caller.site === principal.site
  if (principal.kind === 'user') {
    return caller.kind === 'user' && caller.dn === principal.dn && caller.issuer === principal.issuer
  }
  return principal.kind === 'fqan' && caller.kind === 'user' && caller.fqans.includes(principal.fqan)
}
