import { MdmError } from '../errors.ts'
import type { AclObject } from '../wire/common.ts'
import type { Chain } from './chain.ts'
import { rightsOf, type AclEntry, type StatementBody } from './change.ts'
import { samePrincipal, type Principal } from './principal.ts'

const MAX_ENTRIES = 10_000
const MAX_APPOINTED = 1000

/**
 * What a list is after a change; pure. Who signed it is signer.ts's matter.
 *
 * @returns the parts of the chain that change
 * @throws MDM_STATEMENT when the change is none of this object, or would leave the list without an administrator
 */
export function applyChange(
  chain: Pick<Chain, 'entries' | 'administrators'>,
  { object, change, expires }: Pick<StatementBody, 'object' | 'change' | 'expires'>,
): Partial<Pick<Chain, 'entries' | 'administrators'>> {
  if (expires !== undefined && change.op !== 'grant') throw refused('only a grant can expire')
  if (!OPERATIONS[kindOf(object)].includes(change.op))
    throw refused(`"${change.op}" is no change of "${object}"`)
  const { entries, administrators } = chain
  const without = (who: Principal) => entries.filter((e) => !samePrincipal(e.to, who))
  switch (change.op) {
    case 'found':
      return { entries: change.entries.map((entry) => fitting(object, entry)) }
    case 'grant':
      return { entries: added(entries, fitting(object, soonest(change.entry, expires))) }
    case 'revoke':
      return { entries: stillAdministered(entries, without(change.from)) }
    case 'appoint':
      return { administrators: appointed(administrators, change.administrator.spki) }
    case 'dismiss':
      return { administrators: dismissed(administrators, change.spki) }
    case 'ban':
      return { entries: added(without(change.who), member(change.who)) }
    case 'unban':
      return { entries: without(change.who) }
    case 'join':
      return { entries: added(without(change.member), member(change.member)) }
    case 'leave':
      return { entries: without(change.member) }
  }
}

/** Bans and groups belong to the site; every other object to one volume. */
export function isSiteObject(object: AclObject): boolean {
  return kindOf(object) !== 'volume'
}

type Kind = 'volume' | 'ban' | 'group'
type Operation = StatementBody['change']['op']

const OPERATIONS: Readonly<Record<Kind, readonly Operation[]>> = {
  volume: ['found', 'grant', 'revoke', 'appoint', 'dismiss'],
  ban: ['ban', 'unban', 'appoint', 'dismiss'],
  group: ['join', 'leave', 'appoint', 'dismiss'],
}

function kindOf(object: AclObject): Kind {
  if (object === 'ban') return 'ban'
  return object.startsWith('group:') ? 'group' : 'volume'
}

/** Bans and groups are lists of principals: entries without rights. */
function member(to: Principal): AclEntry {
  return { to, rights: [], versions: 'all' }
}

function fitting(object: AclObject, entry: AclEntry): AclEntry {
  const { rights } = entry
  if (
    rights.length === 0 ||
    new Set(rights).size < rights.length ||
    !rights.every((r) => rightsOf(object).includes(r))
  ) {
    throw refused(`these are no rights on "${object}"`)
  }
  return entry
}

function soonest(entry: AclEntry, expires: string | undefined): AclEntry {
  if (expires === undefined) return entry
  const { expires: own = expires } = entry
  return { ...entry, expires: Date.parse(own) < Date.parse(expires) ? own : expires }
}

/** The same entry twice is one. */
function added(entries: readonly AclEntry[], entry: AclEntry): readonly AclEntry[] {
  const text = JSON.stringify(entry)
  if (entries.some((e) => JSON.stringify(e) === text)) return entries
  if (entries.length >= MAX_ENTRIES) throw refused('the list is full')
  return [...entries, entry]
}

/** The last lasting entry with `admin` stays, so that someone can always read the list. */
function stillAdministered(before: readonly AclEntry[], after: readonly AclEntry[]): readonly AclEntry[] {
  const lasting = (entry: AclEntry) => entry.rights.includes('admin') && entry.expires === undefined
  if (before.some(lasting) && !after.some(lasting)) throw refused('the last administrator cannot be removed')
  return after
}

function appointed(administrators: readonly string[], spki: string): readonly string[] {
  if (administrators.includes(spki)) return administrators
  if (administrators.length >= MAX_APPOINTED) throw refused('too many administrators')
  return [...administrators, spki]
}

/** Administrators of the roster are not in this list: only a new roster removes them, and it always keeps one. */
function dismissed(administrators: readonly string[], spki: string): readonly string[] {
  if (!administrators.includes(spki)) throw refused('no statement appointed this administrator')
  return administrators.filter((key) => key !== spki)
}

function refused(why: string): MdmError {
  return new MdmError('MDM_STATEMENT', why)
}
