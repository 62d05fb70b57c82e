import type { Session } from '@mdm/core/access/session'
import { formatVolumeName, type VolumeName } from '@mdm/core/names'
import { getVolume, type VolumeRow } from '@mdm/core/wire/site'

/** The catalog row of a volume under any of its names. @throws MDM_NOT_FOUND */
export async function volumeOf(session: Session, name: VolumeName, signal?: AbortSignal): Promise<VolumeRow> {
  return await session.site.call(getVolume, { params: { name: formatVolumeName(name) } }, { signal })
}
