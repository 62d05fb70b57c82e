import type { InstanceHeader } from '../dicom/source.ts'
import { withoutCopies, withoutRepeats } from './grouping/duplicates.ts'
import { blockers, withheld, type Faulty } from './grouping/holding-back.ts'
import { setsOf } from './grouping/sets.ts'
import { foundIn, nameAll, type Found } from './grouping/volumes.ts'
import { judge, type Fault } from './judge.ts'
import type { Plane } from './plane.ts'
import type { Refusal, SeriesPlan } from './plan.ts'
import { planVolume } from './plan-volume.ts'
import { planesHeld, planesOf } from './planes/index.ts'

/**
 * Objects of one series that are looked at: their headers are in memory together, and planned in one go. A volume of more
 * slices is not known; series of more objects are of many times.
 */
export const MAX_OBJECTS = 10_000
/** Planes of one series: ten thousand mosaics of 64 tiles are more than anybody makes. */
export const MAX_PLANES = 400_000
/** Each is a GUID with a key of its own: the longest series of times have a few thousand. */
const MAX_VOLUMES = 5_000

export interface PlanOptions {
  /** volumes may lack slices, or have them at uneven distances; their positions then go into the header */
  readonly allowGaps?: boolean
  /** SHA-256 of the pixels of objects that a plan of before questioned, by SOPInstanceUID */
  readonly digests?: ReadonlyMap<string, string>
  /** true for an object whose pixels a person has looked at and released in spite of its burnedInRisk */
  readonly released?: ((header: InstanceHeader) => boolean) | undefined
}

/**
 * What a series is to us: the volumes that its images make, and what is refused. An object that may be part of a volume and is
 * refused takes the others of its SOP class with it, for else a slice would be missing without a word.
 *
 * @param headers of every object of one series, in any order; of more than MAX_OBJECTS, or of MAX_PLANES planes, the rest may be left out
 * @see docs/formats/volume.md
 */
export function planSeries(headers: readonly InstanceHeader[], o: PlanOptions = {}): SeriesPlan {
  if (headers.length > MAX_OBJECTS) return tooMany(headers.length, `more than ${MAX_OBJECTS} objects`)
  if (isTooLong(headers)) return tooMany(headers.length, `more than ${MAX_PLANES} images`)
  const { kept, refused } = withoutRepeats(headers)
  const { planes, faulty } = look(kept, o)
  for (const { fault } of faulty) refused.push({ ...fault, instances: 1 })
  const conflict = severalPatients(planes)
  if (conflict) {
    refused.push({ ...conflict, instances: objectsOf(planes) })
    return { volumes: [], sets: [], refused: merge(refused) }
  }
  const { unique, questioned } = withoutCopies(planes, o.digests)
  const blockerOf = blockers(faulty)
  const found: Found[] = []
  for (const [sopClass, ofClass] of classesOf(unique)) {
    const blocker = blockerOf(sopClass)
    const made = foundIn(ofClass, { allowGaps: o.allowGaps ?? false })
    for (const { fault, planes } of made.refused) refused.push({ ...fault, instances: objectsOf(planes) })
    // An image of its own lacks nothing when another is refused.
    const { held = [], free = [] } = Object.groupBy(made.volumes, (volume) =>
      blocker !== undefined && isPlaced(volume) ? 'held' : 'free',
    )
    const objects = objectsOf(held.flatMap((volume) => volume.planes))
    if (blocker && objects > 0) refused.push({ ...withheld(blocker), instances: objects })
    found.push(...free)
  }
  if (found.length > MAX_VOLUMES) return tooMany(headers.length, `more than ${MAX_VOLUMES} volumes`)
  const named = nameAll(found)
  return {
    volumes: named.map(planVolume),
    sets: setsOf(named),
    refused: merge(refused),
    ...(questioned.length > 0 && { questioned }),
  }
}

/** True for headers that were perhaps not read to the end of their series, since it is not planned. */
export function isTooLong(headers: readonly InstanceHeader[]): boolean {
  const planes = headers.reduce((sum, header) => sum + planesHeld(header), 0)
  return headers.length > MAX_OBJECTS || planes > MAX_PLANES
}

function tooMany(instances: number, what: string): SeriesPlan {
  const reason = `the series has ${what}`
  return { volumes: [], sets: [], refused: [{ code: 'MDM_SEVERAL_VOLUMES', reason, instances }] }
}

/** The planes of all sound objects, and what stands against the others. */
function look(headers: readonly InstanceHeader[], o: PlanOptions): { planes: Plane[]; faulty: Faulty[] } {
  const planes: Plane[] = []
  const faulty: Faulty[] = []
  for (const header of headers) {
    const released = o.released?.(header) ?? false
    const found = judge(header, { released }) ?? planesOf(header)
    if ('code' in found) faulty.push({ header, fault: found })
    else for (const plane of found) planes.push(plane)
  }
  return { planes, faulty }
}

function severalPatients(planes: readonly Plane[]): Fault | undefined {
  const patient = planes[0]?.header.text.PatientID
  if (planes.every(({ header }) => header.text.PatientID === patient)) return undefined
  return {
    code: 'MDM_CONFLICT',
    reason: 'the objects of the series name different patients',
    tags: ['PatientID'],
  }
}

/** By SOP class; in an order that does not depend on that in which objects came. */
function classesOf(planes: readonly Plane[]): Map<string, Plane[]> {
  const ordered = planes.toSorted((a, b) => compare(a.header.sop, b.header.sop) || a.frame - b.frame)
  return Map.groupBy(ordered, ({ header }) => header.sopClass)
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function objectsOf(planes: readonly Plane[]): number {
  return new Set(planes.map(({ header }) => header)).size
}

function isPlaced({ geometry }: Found): boolean {
  return geometry.unplaced === undefined
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
