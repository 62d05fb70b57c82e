import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { Access, ListedVolume } from '../../catalog/access.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { resolveFile } from '../resolve-file.ts'
import { someTogether } from '../some-together.ts'
import type { Prepared } from './pinned-volume.ts'
import type { Asked } from './requests.ts'

/** What decides which files a caller may have prepared. */
export interface Rights {
  readonly access: Pick<Access, 'resolveName' | 'requireRight'>
  readonly catalog: Pick<Catalog, 'summary' | 'requireThere'>
  /** Looks at a caller who is not there, as the listener would. @throws what it refuses him with */
  requireAdmitted(caller: Caller): Promise<void>
}

/** The volume that each file means, or what it is refused with, in the order asked. @throws what is nobody's refusal, such as MDM_STORE */
export async function admitAll(
  o: Rights,
  caller: Caller,
  asked: readonly Asked[],
): Promise<(Prepared | MdmError)[]> {
  return await someTogether(asked, ({ name }) => admit(o, caller, name))
}

async function admit(o: Rights, caller: Caller, name: Asked['name']): Promise<Prepared | MdmError> {
  try {
    if (name === undefined) throw new MdmError('MDM_NOT_FOUND')
    const volume = await resolveFile(o.access, caller, name)
    await requireReadable(o, caller, volume)
    return await preparedOf(o, volume)
  } catch (error) {
    if (!(error instanceof MdmError) || error.status >= 500) throw error
    return error
  }
}

/** @throws MDM_NOT_FOUND | MDM_DENIED | MDM_GONE */
async function requireReadable(o: Rights, caller: Caller, volume: ListedVolume): Promise<void> {
  await o.access.requireRight(caller, volume, 'file', 'read')
  // The hospital decides what exists: what is in the spool still is not given either.
  await o.catalog.requireThere(volume.guid)
}

/**
 * The same of one who asked before: what he proved with a certificate that has ended counts no more, but who he is does.
 *
 * @throws MDM_NOT_FOUND | MDM_DENIED | MDM_GONE | MDM_BANNED
 */
export async function requireStillReadable(
  o: Rights,
  caller: Caller,
  volume: ListedVolume,
  now: Date,
): Promise<void> {
  const isOver = caller.kind === 'user' && caller.notAfter <= now
  const present = isOver ? { ...caller, fqans: [] } : caller
  await o.requireAdmitted(present)
  await requireReadable(o, present, volume)
}

/** @throws MDM_NOT_FOUND when the catalog has no such version */
export async function preparedOf(
  o: Pick<Rights, 'catalog'>,
  { guid, version }: ListedVolume,
): Promise<Prepared> {
  const summary = await o.catalog.summary(guid, version)
  if (summary === undefined) throw new MdmError('MDM_NOT_FOUND')
  const { kid, profile, containerBytes } = summary
  return { guid, version, kid, profile, bytes: containerBytes }
}
