import type { Session } from '@mdm/core/access/session'
import { MdmError } from '@mdm/core/errors'
import type { VolumeName } from '@mdm/core/names'
import type { VolumeStat } from '@mdm/core/wire/site'

/**
 * The catalog row of a volume under any of its names, to work on its access lists.
 *
 * @throws MDM_NOT_FOUND; MDM_USAGE for the name of one slice, since rights belong to its volume
 */
export async function volumeOf(
  session: Session,
  name: VolumeName,
  signal?: AbortSignal,
): Promise<VolumeStat> {
  const { volumeRow } = await import('@mdm/core/access/metadata')
  const row = await volumeRow(session, name, signal)
  if ('instance' in name || ('guid' in name && name.guid !== row.guid)) {
    const details = { guid: row.guid }
    throw new MdmError('MDM_USAGE', `this names one slice; rights belong to its volume ${row.guid}`, {
      details,
    })
  }
  return row
}
