import { allowedVersions, allows, isAdministrator } from '@mdm/core/acl/evaluate'
import { missingPreset } from '@mdm/core/acl/presets'
import type { Right } from '@mdm/core/acl/statement'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Guid, Version, VolumeName } from '@mdm/core/names'
import type { AclObject } from '@mdm/core/wire/common'
import type { AccessList, AccessLists } from './access-lists.ts'
import type { Catalog, UnreadVolume, VolumeRecord } from './catalog.ts'
import type { Groups } from './groups.ts'
import { createSetAccess, type SetAccess } from './set-access.ts'
import type { Sets } from './sets.ts'

/** A volume the caller may know of. */
export interface ResolvedVolume {
  readonly record: VolumeRecord | UnreadVolume
  /** newest version there is; larger than record.version when the caller may not have that one */
  readonly latest: Version
  /** for an instance GUID: its slice, from 0 */
  readonly slice?: number
}

/** One volume in the version that a caller may know of. */
export interface ListedVolume {
  readonly guid: Guid
  readonly version: Version
}

/**
 * The ONE place of the site that decides (paper 5.1; rule "Answers"): without `list` on the file a volume does not exist for the
 * caller, whatever is asked; with it, a missing right is named with the preset to ask for.
 */
export interface Access {
  readonly sets: SetAccess
  /**
   * The version a name means for the caller: the one the name says, else the newest whose file he may read, else the newest he
   * may list.
   *
   * @throws MDM_NOT_FOUND alike for what does not exist and for what the caller may not know of; MDM_USAGE with `details.set` for
   *         the GUID of a set that he may know of
   */
  resolveVolume(caller: Caller, name: VolumeName): Promise<ResolvedVolume>
  /** The same without reading anything of the volume. @throws MDM_NOT_FOUND */
  resolveName(caller: Caller, name: VolumeName): Promise<ListedVolume & { latest: Version; slice?: number }>
  /** @throws MDM_NOT_FOUND without `list`, MDM_DENIED with the preset to ask for */
  requireRight(caller: Caller, volume: ListedVolume, object: AclObject, right: Right): Promise<void>
  /** True when the caller has a right on this version; says nothing of `list`. */
  holds(caller: Caller, volume: ListedVolume, object: AclObject, right: Right): Promise<boolean>
  /** The newest version of a volume that the caller may list; undefined when none. */
  listed(caller: Caller, volume: { guid: Guid; latest: Version }): Promise<Version | undefined>
  /**
   * @throws MDM_NOT_FOUND without `list` on any version, MDM_DENIED for one who does not administer the object;
   *         MDM_USAGE with `details.guid` for an instance GUID: rights are the volume's
   */
  requireAdministrator(caller: Caller, guid: Guid, object: AclObject): Promise<void>
}

export interface AccessOptions {
  readonly catalog: Catalog
  readonly sets: Sets
  readonly lists: AccessLists
  readonly groups: Groups
  readonly roster: () => TrustedRoster
  readonly now: () => Date
}

export function createAccess(o: AccessOptions): Access {
  const versions = async (caller: Caller, guid: Guid, latest: Version, right: Right): Promise<Version[]> => {
    const list = await o.lists.get(guid, 'file')
    const allowed = allowedVersions(list, caller, right, { now: o.now(), groups: await o.groups.all() })
    if (allowed === 'all') return [latest]
    return allowed.filter((version) => version <= latest).toSorted((a, b) => b - a)
  }

  const holds: Access['holds'] = async (caller, { guid, version }, object, right) => {
    const list = await o.lists.get(guid, object)
    return allows(list, caller, right, { version, now: o.now(), groups: await o.groups.all() })
  }

  const access: Access = {
    sets: createSetAccess(o.sets, { holds }),
    holds,

    async resolveName(caller, name) {
      const found = await o.catalog.find(name)
      if (found === undefined) throw await unknown(caller, name)
      const { guid, latest, slice } = found
      const version = found.version ?? (await pick(caller, guid, latest))
      if (version === undefined || version > latest) throw new MdmError('MDM_NOT_FOUND')
      if (!(await access.holds(caller, { guid, version }, 'file', 'list')))
        throw new MdmError('MDM_NOT_FOUND')
      return { guid, version, latest, ...(slice === undefined ? {} : { slice }) }
    },

    async resolveVolume(caller, name) {
      const { guid, version, latest, slice } = await access.resolveName(caller, name)
      const found = <T>(volume: T | undefined): T => {
        if (volume === undefined) throw new MdmError('MDM_NOT_FOUND')
        return volume
      }
      const summary = found(await o.catalog.summary(guid, version))
      const read = async () => found(await o.catalog.volume(guid, version))
      return { record: { ...summary, read }, latest, ...(slice === undefined ? {} : { slice }) }
    },

    async requireRight(caller, volume, object, right) {
      if (!(await access.holds(caller, volume, 'file', 'list'))) throw new MdmError('MDM_NOT_FOUND')
      if (await access.holds(caller, volume, object, right)) return
      throw caller.kind === 'user' && caller.limits !== undefined
        ? new MdmError('MDM_DENIED', 'this capability does not go so far, or its owner may not do this')
        : denied(missingPreset(object, right))
    },

    async listed(caller, { guid, latest }) {
      return (await versions(caller, guid, latest, 'list'))[0]
    },

    async requireAdministrator(caller, guid, object) {
      const found = await o.catalog.find({ guid })
      if (found === undefined) throw new MdmError('MDM_NOT_FOUND')
      const list: AccessList = await o.lists.get(found.guid, object)
      const administers = isAdministrator(list, caller, o.roster())
      if (!administers && (await access.listed(caller, found)) === undefined)
        throw new MdmError('MDM_NOT_FOUND')
      if (found.slice !== undefined) {
        const text = `this names one slice; rights belong to its volume ${found.guid}`
        throw new MdmError('MDM_USAGE', text, { details: { guid: found.guid } })
      }
      if (!administers) throw denied(missingPreset(object, 'admin'))
    },
  }

  /** What a name that no volume has may be: a set is no volume, and only who may know of it is told so. */
  async function unknown(caller: Caller, name: VolumeName): Promise<MdmError> {
    const set = 'guid' in name ? await access.sets.listed(caller, name.guid) : undefined
    if (set === undefined) return new MdmError('MDM_NOT_FOUND')
    const text = `this names a set of ${set.members.length} volumes, which are got as one or each by its own GUID`
    return new MdmError('MDM_USAGE', text, { details: { set: set.guid } })
  }

  async function pick(caller: Caller, guid: Guid, latest: Version): Promise<Version | undefined> {
    const readable = await versions(caller, guid, latest, 'read')
    for (const version of readable) {
      if (await access.holds(caller, { guid, version }, 'file', 'list')) return version
    }
    return (await versions(caller, guid, latest, 'list'))[0]
  }
  return access
}

function denied(preset: string): MdmError {
  return new MdmError(
    'MDM_DENIED',
    `you may not do this; ask the data administrator for the preset "${preset}"`,
    {
      details: { preset },
    },
  )
}
