import { isDeepStrictEqual } from 'node:util'
import type { InstanceHeader } from '../../dicom/source.ts'
import type { Plane } from '../plane.ts'
import type { Refusal } from '../plan.ts'

/** Objects whose pixels may be asked for to tell copies: of more, nobody meant to send them twice. */
const MOST_QUESTIONED = 200

/**
 * Drops what is there twice. Two objects that differ under one SOPInstanceUID are both refused: nobody can say which of
 * them a later retrieve will bring.
 */
export function withoutRepeats(headers: readonly InstanceHeader[]): {
  kept: InstanceHeader[]
  refused: Refusal[]
} {
  const bySop = Map.groupBy(headers, ({ sop }) => sop)
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

/**
 * Drops objects that differ from another in nothing but their SOPInstanceUID, nor in their pixels; of copies the one with the
 * first UID stays. Pixels are not read here: those that decide are questioned until their digests are known.
 *
 * @param digests SHA-256 of the pixels, by SOPInstanceUID
 */
export function withoutCopies(
  planes: readonly Plane[],
  digests?: ReadonlyMap<string, string>,
): { unique: readonly Plane[]; questioned: string[] } {
  const suspects = suspected(planes)
  const questioned = suspects.flat().map(({ sop }) => sop)
  if (questioned.length === 0 || questioned.length > MOST_QUESTIONED)
    return { unique: planes, questioned: [] }
  if (!questioned.every((sop) => digests?.has(sop))) return { unique: planes, questioned }
  const dropped = new Set<InstanceHeader>()
  for (const alike of suspects) {
    const seen = new Set<string>()
    for (const header of alike.toSorted((a, b) => (a.sop < b.sop ? -1 : 1))) {
      const digest = digests!.get(header.sop)!
      if (seen.has(digest)) dropped.add(header)
      seen.add(digest)
    }
  }
  return { unique: planes.filter(({ header }) => !dropped.has(header)), questioned: [] }
}

/** Objects of one place whose headers are alike; what is told apart by a number or a mark is no copy. */
function suspected(planes: readonly Plane[]): InstanceHeader[][] {
  const headers = [...new Set(planes.map(({ header }) => header))]
  const quick = Map.groupBy(headers, ({ position, instanceNumber, marks }) =>
    JSON.stringify([position, instanceNumber, marks.time, marks.echo, marks.bValue, marks.dateTime]),
  )
  return [...quick.values()].flatMap((group) => (group.length < 2 ? [] : alike(group)))
}

/** @returns groups of two or more */
function alike(headers: readonly InstanceHeader[]): InstanceHeader[][] {
  if (headers.length > MOST_QUESTIONED) return []
  const groups: InstanceHeader[][] = []
  for (const header of headers) {
    const group = groups.find(([first]) => isDeepStrictEqual(nameless(header), nameless(first!)))
    if (group === undefined) groups.push([header])
    else group.push(header)
  }
  return groups.filter((group) => group.length > 1)
}

function nameless(header: InstanceHeader): object {
  return { ...identity(header), sop: '' }
}
