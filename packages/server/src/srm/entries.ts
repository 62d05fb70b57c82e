import type { Caller } from '@mdm/core/identity/identify'
import type { Guid, Version, VolumeName } from '@mdm/core/names'

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
