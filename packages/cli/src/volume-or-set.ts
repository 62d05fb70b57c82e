import type { Session } from '@mdm/core/access/session'
import type { VolumeName } from '@mdm/core/names'
import type { SetStat } from '@mdm/core/wire/sets'
import type { NamedVolume } from './name-input.ts'

/** Does one thing with a volume, or another where the name turns out to be of a set that the caller may know of. */
export async function volumeOrSet<V, S>(
  session: Session,
  name: VolumeName,
  o: { volume: () => Promise<V>; set: (set: SetStat) => Promise<S>; signal?: AbortSignal | undefined },
): Promise<V | S> {
  try {
    return await o.volume()
  } catch (error) {
    const { namedSet, setNamed } = await import('@mdm/core/access/sets')
    if (namedSet(error) === undefined || !('guid' in name)) throw error
    return await o.set(await setNamed(session, name, o.signal))
  }
}

/**
 * The volumes that names mean, each once; a set stands for its members, since it has no access list of its own. What cannot be looked up
 * stays as it was typed: whoever works on it says what is wrong.
 */
export async function membersNamed(
  session: Session,
  names: readonly NamedVolume[],
  signal: AbortSignal,
): Promise<NamedVolume[]> {
  const { volumeRow } = await import('@mdm/core/access/metadata')
  const expanded: NamedVolume[] = []
  for (const named of names) {
    const { name } = named
    const meant = volumeOrSet(session, name, {
      volume: async () => {
        await volumeRow(session, name, signal)
        return [named]
      },
      set: async ({ members }) => members.map(({ guid }) => ({ text: guid, name: { guid } })),
      signal,
    })
    expanded.push(...(await meant.catch(() => [named])))
  }
  return [...new Map(expanded.map((named) => [named.text, named])).values()]
}
