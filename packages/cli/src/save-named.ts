import type { SavedFile, SaveFileOptions } from '@mdm/core/access/save'
import type { SavedSet } from '@mdm/core/access/save-set'
import type { SetContentOptions } from '@mdm/core/access/set-content'
import type { Session } from '@mdm/core/access/session'
import type { VolumeName } from '@mdm/core/names'

export type SavedThing = SavedFile & Partial<Pick<SavedSet, 'members'>>

export interface SaveNamedOptions extends Omit<SaveFileOptions, 'path' | 'onVolume'> {
  /** told what each volume of the file is, and their axis where it holds a set */
  readonly onVolume: NonNullable<SetContentOptions['onVolume']> & NonNullable<SaveFileOptions['onVolume']>
}

/**
 * Fetches what a name means: a volume, or the set that it turns out to be, which costs one question more.
 *
 * @param path undefined for stdout
 */
export async function saveNamed(
  session: Session,
  name: VolumeName,
  path: string | undefined,
  o: SaveNamedOptions,
): Promise<SavedThing> {
  const { saveVolume, writeVolume } = await import('@mdm/core/access/save')
  try {
    return await (path === undefined
      ? writeVolume(session, name, process.stdout, o)
      : saveVolume(session, name, { ...o, path }))
  } catch (error) {
    const { namedSet } = await import('@mdm/core/access/sets')
    if (namedSet(error) === undefined || !('guid' in name)) throw error
    const { saveSet, writeSet } = await import('@mdm/core/access/save-set')
    return await (path === undefined
      ? writeSet(session, name, process.stdout, o)
      : saveSet(session, name, { ...o, path }))
  }
}
