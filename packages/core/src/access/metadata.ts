import type { z } from 'zod'
import { formatVolumeName, type Guid, type VolumeName } from '../names.ts'
import { CHANGES_AT_ONCE, listChanges, type Cursor } from '../wire/changes.ts'
import {
  getInstances,
  getMetadata,
  getVolume,
  listVolumes,
  postQuery,
  type VolumeRow,
  type VolumeStat,
} from '../wire/site.ts'
import type { Session } from './session.ts'

export type QueryReply = z.infer<NonNullable<typeof postQuery.reply>>
export type InstancesReply = z.infer<NonNullable<typeof getInstances.reply>>
export type MetadataReply = z.infer<NonNullable<typeof getMetadata.reply>>

/** Level 3 (paper 4.3): volumes by their metadata, such as `modality=MR and rows>=256`. @throws MDM_QUERY */
export async function query(
  session: Session,
  expr: string,
  o: { limit?: number; signal?: AbortSignal } = {},
): Promise<QueryReply> {
  const body = { expr, ...(o.limit === undefined ? {} : { limit: o.limit }) }
  return await session.site.call(postQuery, { body }, { signal: o.signal })
}

/** The metadata rows of one volume that the caller may read, and the names of what is withheld. @throws MDM_NOT_FOUND */
export async function metadataOf(session: Session, name: VolumeName): Promise<MetadataReply> {
  return await session.site.call(getMetadata, { params: { name: formatVolumeName(name) } })
}

/** What the catalog tells the caller of one volume. @throws MDM_NOT_FOUND */
export async function volumeRow(
  session: Session,
  name: VolumeName,
  signal?: AbortSignal,
): Promise<VolumeStat> {
  return await session.site.call(getVolume, { params: { name: formatVolumeName(name) } }, { signal })
}

/** Instance GUIDs of a volume: names for its slices, in order. @throws MDM_NOT_FOUND */
export async function instancesOf(session: Session, name: VolumeName): Promise<InstancesReply> {
  return await session.site.call(getInstances, { params: { name: formatVolumeName(name) } })
}

/** Every volume the caller may list, in order of GUID, page by page. */
export async function* list(session: Session): AsyncGenerator<VolumeRow> {
  let after: Guid | undefined
  do {
    const page = await session.site.call(listVolumes, { query: after === undefined ? {} : { after } })
    yield* page.rows
    after = page.next
  } while (after !== undefined)
}

/** What happened to the volumes the caller may list, oldest first, page by page; each row has the cursor that goes on after it. */
export async function* changes(
  session: Session,
  o: { after?: Cursor | undefined; from?: string | undefined; signal?: AbortSignal } = {},
): AsyncGenerator<z.infer<NonNullable<typeof listChanges.reply>>> {
  const { from, signal } = o
  for (let after = o.after; ;) {
    const query = { after, from, limit: CHANGES_AT_ONCE }
    const page = await session.site.call(listChanges, { query }, { signal })
    yield page
    if (!page.more) return
    after = page.cursor
  }
}
