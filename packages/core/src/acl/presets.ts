import { z } from 'zod'
import type { SiteId } from '../names.ts'
import type { AclObject } from '../wire/common.ts'
import type { AclEntry, Administrator, Right } from './change.ts'
import type { Principal } from './principal.ts'

/** The use cases of paper 5.2 as sets of rights. */
export const Preset = z.enum(['replicate', 'process', 'research', 'clinical', 'admin'])
export type Preset = z.infer<typeof Preset>

type Rights = Partial<Record<AclObject, readonly Right[]>>

const replicate: Rights = { file: ['list', 'read'] }
const process: Rights = {
  ...replicate,
  key: ['read'],
  'metadata:image': ['basic'],
  'metadata:medical': ['basic'],
}
const research: Rights = {
  ...process,
  'metadata:image': ['read'],
  'metadata:medical': ['research'],
  'metadata:dicom': ['research'],
  'metadata:protocol': ['read'],
}
const clinical: Rights = {
  ...process,
  'metadata:patient': ['read'],
  'metadata:image': ['read'],
  'metadata:medical': ['read'],
  'metadata:dicom': ['read'],
  'metadata:protocol': ['read'],
}
const admin = Object.fromEntries(
  Object.entries(clinical).map(([object, rights]) => [object, [...rights!, 'admin']]),
) as Rights

/** Which rights on which object each preset gives (decision 7). */
export const PRESETS: Readonly<Record<Preset, Rights>> = { replicate, process, research, clinical, admin }

export interface PresetEntry {
  readonly object: AclObject
  readonly entry: AclEntry
}

/** The entries that give a principal a preset. The preset `admin` shows all; changing lists also takes an `appoint`. */
export function presetEntries(
  preset: Preset,
  to: Principal,
  o: { versions: 'all' | number[]; expires?: string },
): PresetEntry[] {
  return Object.entries(PRESETS[preset]).map(([object, rights]) => ({
    object: object as AclObject,
    entry: {
      to,
      rights: [...(rights ?? [])],
      versions: o.versions,
      ...(o.expires === undefined ? {} : { expires: o.expires }),
    },
  }))
}

/** The least preset that gives a right, to name in a refusal. */
export function missingPreset(object: AclObject, right: Right): Preset {
  const wanted = (['replicate', 'process', 'research', 'clinical'] as const).find((p) =>
    gives(PRESETS[p][object], right),
  )
  return wanted ?? 'admin'
}

/** What a new volume's lists say: administrators see and may do all, the site reads the key to encrypt (paper 5.2), policy adds. */
export function foundingEntries(o: {
  site: SiteId
  administrators: readonly Pick<Administrator, 'dn' | 'issuer'>[]
  policy: readonly { to: Principal; preset: Preset }[]
}): Map<AclObject, AclEntry[]> {
  const founders = o.administrators.map(({ dn, issuer }) => ({
    to: { kind: 'user', dn, issuer } as const,
    preset: 'admin' as const,
  }))
  const lists = new Map<AclObject, AclEntry[]>()
  for (const object of Object.keys(PRESETS.admin) as AclObject[]) lists.set(object, [])
  for (const { to, preset } of [...founders, ...o.policy]) {
    for (const { object, entry } of presetEntries(preset, to, { versions: 'all' }))
      lists.get(object)!.push(entry)
  }
  lists.get('key')!.push({ to: { kind: 'service', site: o.site }, rights: ['read'], versions: 'all' })
  return lists
}

function gives(rights: readonly Right[] | undefined, right: Right): boolean {
  if (rights === undefined) return false
  if (rights.includes(right)) return true
  return (right === 'basic' || right === 'research') && rights.includes('read')
    ? true
    : right === 'basic' && rights.includes('research')
}
