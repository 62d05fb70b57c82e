import type { z } from 'zod'
import { MdmError } from '../errors.ts'
import { formatVolumeName, type Guid, type VolumeName } from '../names.ts'
import {
  getInstances,
  getMetadata,
  getVolume,
  listVolumes,
  postQuery,
  postRegister,
  RegisterEvent,
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

/** Asks the site to register what its sources hold; yields its events, the last one being `done` or `error`. @throws MDM_DENIED */
export async function* register(
  session: Session,
  o: { source?: string; signal?: AbortSignal } = {},
): AsyncGenerator<RegisterEvent> {
  const reply = await session.site.stream(
    postRegister,
    { body: o.source === undefined ? {} : { source: o.source } },
    { signal: o.signal },
  )
  let rest = ''
  for await (const chunk of reply.body) {
    const lines = (rest + chunk.toString('utf8')).split('\n')
    rest = lines.pop()!
    for (const line of lines) yield parseEvent(line)
  }
  if (rest.trim() !== '') yield parseEvent(rest)
}

function parseEvent(line: string): RegisterEvent {
  try {
    return RegisterEvent.parse(JSON.parse(line))
  } catch (cause) {
    throw new MdmError('MDM_BAD_REQUEST', 'the site sent a registration event we do not understand', {
      cause,
    })
  }
}
