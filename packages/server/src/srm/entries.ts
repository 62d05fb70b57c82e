import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { Guid, Version, VolumeName } from '@mdm/core/names'
import type { Access, ListedVolume } from '../catalog/access.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { listedPage } from '../catalog/listed-page.ts'
import type { Delivery } from '../deliver/delivery.ts'
import type { Digests } from '../deliver/digests.ts'
import { pathOf } from './namespace.ts'
import { resolveFile } from './resolve-file.ts'

/** Where the container of a volume is: in the spool, or still to be made of what the source has. */
export type Locality = 'ONLINE' | 'NEARLINE' | 'UNAVAILABLE'

/** One volume as a file of the storage element: the container, which the caller may know of. */
export interface Entry {
  readonly guid: Guid
  readonly version: Version
  /** /mdm/GUID, or as it was asked for */
  readonly path: string
  /** of the container, known from registration on */
  readonly bytes: number
  readonly created: Date
  readonly locality: Locality
  /** whether the caller may read the file */
  readonly readable: boolean
  /** of the container that lies in the spool, 8 hex digits; another preparation has another */
  readonly adler32?: string
}

/** What there is for a caller: shared by SRM, WebDAV and the tape interface, so that no two of them tell different things. */
export interface Entries {
  /**
   * @param o `digest`: read the container in the spool for its adler32, where the caller may read it
   * @throws MDM_NOT_FOUND without `list`
   */
  stat(caller: Caller, name: VolumeName, o?: { digest?: boolean }): Promise<Entry>
  /** Volumes that the caller may list, by GUID, after one of them. */
  list(caller: Caller, o: { after?: Guid | undefined; limit: number }): Promise<Entry[]>
}

export interface EntriesOptions {
  readonly catalog: Pick<Catalog, 'page' | 'summary'>
  readonly access: Pick<Access, 'resolveName' | 'listed' | 'holds'>
  readonly delivery: Pick<Delivery, 'sealed'>
  readonly digests: Digests
}

export function openEntries(o: EntriesOptions): Entries {
  const entryOf = async (
    caller: Caller,
    volume: ListedVolume,
    { path, digest }: { path: string; digest: boolean },
  ): Promise<Entry> => {
    const { guid, version } = volume
    const summary = await o.catalog.summary(guid, version)
    if (summary === undefined) throw new MdmError('MDM_NOT_FOUND')
    const readable = await o.access.holds(caller, volume, 'file', 'read')
    const isGone = summary.goneSince !== undefined
    const sealed = isGone ? undefined : o.delivery.sealed(summary)
    const digests = digest && readable && sealed !== undefined ? await o.digests.of(sealed) : undefined
    return {
      ...{ guid, version, path, readable },
      bytes: summary.containerBytes,
      created: new Date(summary.registered),
      locality: isGone ? 'UNAVAILABLE' : sealed === undefined ? 'NEARLINE' : 'ONLINE',
      ...(digests === undefined ? {} : { adler32: digests.adler32 }),
    }
  }
  return {
    async stat(caller, name, { digest = false } = {}) {
      const volume = await resolveFile(o.access, caller, name)
      return await entryOf(caller, volume, { path: pathOf(name), digest })
    },

    async list(caller, page) {
      const entries: Entry[] = []
      for (const volume of await listedPage(o, caller, page))
        entries.push(await entryOf(caller, volume, { path: pathOf({ guid: volume.guid }), digest: false }))
      return entries
    },
  }
}
