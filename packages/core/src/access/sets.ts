import { MdmError } from '../errors.ts'
import { formatVolumeName, Guid, type Version } from '../names.ts'
import { getSet, listSets, type SetRow, type SetStat } from '../wire/sets.ts'
import type { Session } from './session.ts'

/** A set by GUID, or one version of it. */
export interface SetName {
  readonly guid: Guid
  readonly version?: Version | undefined
}

/** A set and its volumes in order; without a version the newest that the caller may read. @throws MDM_NOT_FOUND */
export async function setNamed(session: Session, name: SetName, signal?: AbortSignal): Promise<SetStat> {
  return await session.site.call(getSet, { params: { name: formatVolumeName(name) } }, { signal })
}

/** Every set of which the caller may list all volumes, in order of GUID, page by page. */
export async function* sets(session: Session, signal?: AbortSignal): AsyncGenerator<SetRow> {
  let after: Guid | undefined
  do {
    const query = after === undefined ? {} : { after }
    const page = await session.site.call(listSets, { query }, { signal })
    yield* page.rows
    after = page.next
  } while (after !== undefined)
}

/** The set that a name turned out to be where a volume was meant: a site says so only to those who may know of it. */
export function namedSet(error: unknown): Guid | undefined {
  if (!(error instanceof MdmError) || error.code !== 'MDM_USAGE') return undefined
  return Guid.safeParse(error.details['set']).data
}
