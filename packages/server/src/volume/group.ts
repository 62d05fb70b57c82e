import { isDeepStrictEqual } from 'node:util'
import { sliceBytes, voxelBytes, type VoxelType } from '@mdm/core/volume/volume'
import type { InstanceHeader } from '../dicom/source.ts'
import { burnedInRisk } from './burned-in.ts'
import { describeVolume, PROFILE } from './deidentify.ts'
import { judge, type Fault, type SliceHeader } from './judge.ts'
import type { Refusal, SeriesPlan, SliceRow, VolumePlan } from './plan.ts'
import { stackOf, type Stack } from './stack.ts'
import { tableRows } from './tables.ts'

/**
 * Objects of one series that are looked at: their headers are in memory together, and planned in one go. A volume of more
 * slices is not known; series of more objects are of many times.
 */
export const MAX_OBJECTS = 10_000

export interface PlanOptions {
  /** true for an object whose pixels a person has looked at and released in spite of its burnedInRisk */
  readonly released?: ((header: InstanceHeader) => boolean) | undefined
}

/**
 * What a series is to us: the volume that all its images make, and what is refused. In this version a series makes one
 * volume or none. An object that may be one of its slices and is refused takes the others with it, for else a slice
 * would be missing without a word; objects of another SOP class, or without an image, do not.
 *
 * @param headers of every object of one series, in any order; of more than MAX_OBJECTS the rest may be left out
 * @see docs/formats/volume.md
 */
export function planSeries(headers: readonly InstanceHeader[], o: PlanOptions = {}): SeriesPlan {
  if (headers.length > MAX_OBJECTS) return tooMany(headers.length)
  const { kept, refused } = withoutDuplicates(headers)
  const sound = new Map<string, SliceHeader[]>()
  const faulty: Faulty[] = []
  for (const header of kept) {
    const fault = judge(header, { released: o.released?.(header) ?? false })
    if (fault) faulty.push({ header, fault })
    else addTo(sound, header.sopClass, header as SliceHeader)
  }
  for (const { fault } of faulty) refused.push({ ...fault, instances: 1 })
  const blockerOf = blockers(faulty)
  const stacks: Stack[] = []
  for (const [sopClass, slices] of sound) {
    const stack = stackOf(slices)
    const blocker = blockerOf(sopClass)
    if ('code' in stack) refused.push({ ...stack, instances: slices.length })
    else if (blocker) refused.push({ ...withheld(blocker), instances: slices.length })
    else stacks.push(stack)
  }
  if (stacks.length > 1) {
    const instances = stacks.reduce((sum, { slices }) => sum + slices.length, 0)
    const reason = `the series holds ${stacks.length} volumes of different kinds of image`
    return {
      volumes: [],
      sets: [],
      refused: merge([...refused, { code: 'MDM_SEVERAL_VOLUMES', reason, instances }]),
    }
  }
  return { volumes: stacks.map(planVolume), sets: [], refused: merge(refused) }
}

function tooMany(instances: number): SeriesPlan {
  const reason = `the series has more than ${MAX_OBJECTS} objects`
  return { volumes: [], sets: [], refused: [{ code: 'MDM_SEVERAL_VOLUMES', reason, instances }] }
}

function addTo<T>(groups: Map<string, T[]>, name: string, member: T): void {
  const group = groups.get(name)
  if (group === undefined) groups.set(name, [member])
  else group.push(member)
}

/**
 * Drops what is there twice. Two objects that differ under one SOPInstanceUID are both refused: nobody can say which of
 * them a later retrieve will bring.
 */
function withoutDuplicates(headers: readonly InstanceHeader[]): {
  kept: InstanceHeader[]
  refused: Refusal[]
} {
  const bySop = new Map<string, InstanceHeader[]>()
  for (const header of headers) addTo(bySop, header.sop, header)
  const kept: InstanceHeader[] = []
  let conflicts = 0
  for (const [first, ...others] of bySop.values()) {
    const differs = others.some((other) => !isDeepStrictEqual(identity(other), identity(first!)))
    if (differs) conflicts += 1 + others.length
    else kept.push(first!)
  }
  if (conflicts === 0) return { kept, refused: [] }
  const reason = `${conflicts} objects share a SOPInstanceUID with another that differs`
  const refused: Refusal = { code: 'MDM_CONFLICT', reason, instances: conflicts, tags: ['SOPInstanceUID'] }
  const rest =
    kept.length > 0 ? [{ ...refused, reason: `${reason}; the rest is withheld`, instances: kept.length }] : []
  return { kept: [], refused: [refused, ...rest] }
}

/** All we read of an object but where its pixels lie in its file. */
function identity({ pixelData, ...header }: InstanceHeader): object {
  return { ...header, pixelBytes: pixelData?.length }
}

interface Faulty {
  header: InstanceHeader
  fault: Fault
}

/** Finds, by SOP class, the first refused object that may be a slice of its stack: of that class, or too damaged to say. */
function blockers(faulty: readonly Faulty[]): (sopClass: string) => Fault | undefined {
  const images = faulty.filter(({ fault }) => fault.code !== 'MDM_NOT_AN_IMAGE')
  const damaged = images.findIndex(({ fault }) => fault.code === 'MDM_DICOM')
  const ofClass = new Map<string, number>()
  for (const [i, { header }] of images.entries()) {
    if (!ofClass.has(header.sopClass)) ofClass.set(header.sopClass, i)
  }
  return (sopClass) => {
    const found = [ofClass.get(sopClass), damaged].filter((i) => i !== undefined && i >= 0) as number[]
    return images[Math.min(...found)]?.fault
  }
}

function withheld(fault: Fault): Fault {
  return { ...fault, reason: `sound, but withheld, since of another object of the series ${fault.reason}` }
}

/** One line for each code and reason. */
function merge(refused: readonly Refusal[]): Refusal[] {
  const merged = new Map<string, Refusal>()
  for (const refusal of refused) {
    const key = `${refusal.code} ${refusal.reason}`
    const before = merged.get(key)
    merged.set(key, before ? { ...before, instances: before.instances + refusal.instances } : refusal)
  }
  return [...merged.values()]
}

function planVolume({ slices, geometry }: Stack): VolumePlan {
  const first = slices[0]!
  const type: VoxelType = `${first.pixelRepresentation === 0 ? 'u' : ''}int${first.bitsAllocated}`
  const { volume, header } = describeVolume(first, geometry, type)
  return {
    label: '',
    marks: {},
    volume,
    header,
    plaintextBytes: header.length + voxelBytes(volume),
    sliceBytes: sliceBytes(volume),
    slices: slices.map(sliceRow),
    profile: PROFILE,
    tables: tableRows(first, volume),
  }
}

function sliceRow(slice: SliceHeader, index: number): SliceRow {
  return {
    index,
    sop: slice.sop,
    rows: slice.rows,
    columns: slice.columns,
    position: slice.position,
    orientation: slice.orientation,
    bitsAllocated: slice.bitsAllocated,
    bitsStored: slice.bitsStored,
    highBit: slice.highBit,
    pixelRepresentation: slice.pixelRepresentation,
    slope: slice.slope,
    intercept: slice.intercept,
    ...releasedAs(slice),
  }
}

/** A slice that is here in spite of its risk was released. */
function releasedAs(slice: SliceHeader): Pick<SliceRow, 'released'> {
  const risk = burnedInRisk(slice)
  return risk === undefined ? {} : { released: risk.reason }
}
