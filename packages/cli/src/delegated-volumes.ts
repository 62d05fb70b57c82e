import type { Session } from '@mdm/core/access/session'
import { MdmError } from '@mdm/core/errors'
import { MOST_GUIDS, type LimitedOperation } from '@mdm/core/identity/limits'
import type { Guid, VolumeName } from '@mdm/core/names'
import type { VolumeStat } from '@mdm/core/wire/site'
import type { NamedVolume } from './name-input.ts'

/** What a capability is to name, and what of it its owner has no right to himself. */
export interface DelegatedVolumes {
  readonly guids: readonly Guid[]
  /** sentences for the owner */
  readonly lacking: readonly string[]
}

/**
 * The volumes that names mean, a set standing for its members, as the site has them.
 *
 * @throws MDM_USAGE for a version or a slice, since rights are the volume's; MDM_NOT_FOUND for an LFN or SURL of no volume
 */
export async function delegatedVolumes(
  session: Session,
  names: readonly NamedVolume[],
  operations: readonly LimitedOperation[],
  signal: AbortSignal,
): Promise<DelegatedVolumes> {
  const { membersNamed } = await import('./volume-or-set.ts')
  const { volumeOf } = await import('./volume-of.ts')
  names.forEach(requireWhole)
  const guids = new Set<Guid>()
  const lacking: string[] = []
  for (const { name } of await membersNamed(session, names, signal)) {
    const stat = await volumeOf(session, name, signal).catch((error: unknown) => {
      if (!('guid' in name) || !(error instanceof MdmError) || error.code !== 'MDM_NOT_FOUND') throw error
      return undefined
    })
    const guid = stat?.guid ?? (name as { guid: Guid }).guid
    if (!guids.has(guid)) lacking.push(...missing(guid, stat, operations))
    guids.add(guid)
  }
  requireFew(guids)
  return { guids: [...guids], lacking }
}

/** The same without asking anyone: only GUIDs can be named. @throws MDM_USAGE */
export function namedGuids(names: readonly NamedVolume[]): Guid[] {
  names.forEach(requireWhole)
  const guids = names.map(({ text, name }) => {
    if ('guid' in name) return name.guid
    throw new MdmError('MDM_USAGE', `"${text}" is no GUID, and --offline asks nobody what it means`)
  })
  requireFew(new Set(guids))
  return [...new Set(guids)]
}

function requireWhole({ text, name }: { text: string; name: VolumeName }): void {
  if ('instance' in name)
    throw new MdmError('MDM_USAGE', `"${text}" names a slice: a capability is for whole volumes`)
  if ('guid' in name && name.version !== undefined)
    throw new MdmError(
      'MDM_USAGE',
      'a capability is for every version that you may read: give the GUID alone',
    )
}

function requireFew(guids: ReadonlySet<Guid>): void {
  if (guids.size > MOST_GUIDS)
    throw new MdmError('MDM_USAGE', `a capability names ${MOST_GUIDS} volumes at most, not ${guids.size}`)
}

function missing(
  guid: Guid,
  stat: Pick<VolumeStat, 'may'> | undefined,
  operations: readonly LimitedOperation[],
): string[] {
  if (stat === undefined) return [`${guid}: no such volume, or none that you may know of`]
  const { may } = stat
  const lacking = may === undefined ? [] : operations.filter((operation) => !may.includes(operation))
  return lacking.length === 0 ? [] : [`${guid}: you have no right to ${lacking.join(' and ')} yourself`]
}
