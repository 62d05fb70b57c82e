import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { Guid, Version } from '@mdm/core/names'
import type { Access } from './access.ts'
import type { SetRecord, Sets } from './sets.ts'

/**
 * Who may know of a set: it has no list of its own, so the rights on it are those on its members, on all of them. A set with one
 * member that the caller may not list does not exist for him, in that version.
 *
 * @see decision 42
 */
export interface SetAccess {
  /**
   * The version that is meant: the one named, else the newest of which the caller may read every file, else the newest of which he may
   * list every member.
   *
   * @throws MDM_NOT_FOUND alike for what does not exist and for what the caller may not know of
   */
  resolve(caller: Caller, name: { guid: Guid; version?: Version | undefined }): Promise<SetRecord>
  /** The newest version of which the caller may list every member; undefined where there is none. */
  listed(caller: Caller, guid: Guid): Promise<SetRecord | undefined>
  /** Which set that is not gone a volume is in, as the caller may know it; what was found is remembered, so for one request only. */
  memberships(caller: Caller): (volume: Guid) => Promise<Guid | undefined>
  /** True when the caller has a right of a metadata table on every member. */
  holdsAll: (caller: Caller, set: SetRecord, ...right: RightOf) => Promise<boolean>
}

type RightOf = [object: Parameters<Access['holds']>[2], right: Parameters<Access['holds']>[3]]

export function createSetAccess(sets: Sets, access: Pick<Access, 'holds'>): SetAccess {
  const holdsAll: SetAccess['holdsAll'] = async (caller, { members }, object, right) => {
    for (const member of members) if (!(await access.holds(caller, member, object, right))) return false
    return true
  }
  const visible = async (caller: Caller, guid: Guid, version: Version): Promise<SetRecord | undefined> => {
    const set = await sets.version(guid, version)
    return set !== undefined && (await holdsAll(caller, set, 'file', 'list')) ? set : undefined
  }
  const listed: SetAccess['listed'] = async (caller, guid) => {
    for (const version of await sets.versions(guid)) {
      const set = await visible(caller, guid, version)
      if (set !== undefined) return set
    }
    return undefined
  }
  const pick = async (caller: Caller, guid: Guid): Promise<SetRecord | undefined> => {
    for (const version of await sets.versions(guid)) {
      const set = await visible(caller, guid, version)
      if (set !== undefined && (await holdsAll(caller, set, 'file', 'read'))) return set
    }
    return await listed(caller, guid)
  }
  return {
    listed,
    holdsAll,

    async resolve(caller, { guid, version }) {
      const set = await (version === undefined ? pick(caller, guid) : visible(caller, guid, version))
      if (set === undefined) throw new MdmError('MDM_NOT_FOUND')
      return set
    },

    memberships(caller) {
      const known = new Map<Guid, Promise<SetRecord | undefined>>()
      return async (volume) => {
        for (const guid of await sets.holding(volume)) {
          const seen = known.get(guid) ?? listed(caller, guid)
          known.set(guid, seen)
          const set = await seen
          if (set?.goneSince === undefined && set?.members.some((one) => one.guid === volume)) return guid
        }
        return undefined
      }
    },
  }
}
