import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { VolumeName } from '@mdm/core/names'
import type { Access, ListedVolume } from '../catalog/access.ts'

/** The version of a volume that a name means for the caller. A set is no file, and no folder either: here it does not exist. @throws MDM_NOT_FOUND */
export async function resolveFile(
  access: Pick<Access, 'resolveName'>,
  caller: Caller,
  name: VolumeName,
): Promise<ListedVolume> {
  return await access.resolveName(caller, name).catch((error: unknown) => {
    throw error instanceof MdmError && error.code === 'MDM_USAGE' ? new MdmError('MDM_NOT_FOUND') : error
  })
}
