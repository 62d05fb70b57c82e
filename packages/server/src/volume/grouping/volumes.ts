import type { Marks, Plane } from '../plane.ts'
import { MARKS } from '../plane.ts'
import { geometryOf, type Geometry } from '../stack.ts'
import { valuesOf, type Values } from '../values.ts'
import { flatVolumes } from './flat.ts'
import { factsThatDiffer, kindsOf, type Kind } from './kinds.ts'
import { factsText, pathText } from './label.ts'
import { separate, type RefusedPlanes, type SplitBy } from './separate.ts'

/** A volume of a series, before it is known which others there are. */
export interface Found {
  readonly kind: Kind
  readonly path: readonly SplitBy[]
  /** in order */
  readonly planes: readonly Plane[]
  readonly geometry: Geometry
  readonly values: Values
}

/** A volume of a series with what tells it from the others. */
export interface NamedVolume extends Found {
  readonly label: string
  /** the part of the label that its whole kind shares */
  readonly kindLabel: string
  /** that all its planes share */
  readonly shared: Marks
  /** those of `shared` in which the volumes of the series differ */
  readonly marks: Marks
}

/**
 * The volumes that planes of one SOP class make, and the planes that make none.
 *
 * @param o `allowGaps`: slices may be missing or uneven
 */
export function foundIn(
  planes: readonly Plane[],
  o: { allowGaps: boolean },
): { volumes: Found[]; refused: RefusedPlanes[] } {
  const volumes: Found[] = []
  const refused: RefusedPlanes[] = []
  const { flat = [], placed = [] } = Object.groupBy(planes, ({ unplaced }) =>
    unplaced === undefined ? 'placed' : 'flat',
  )
  for (const one of flatVolumes(flat)) {
    if ('fault' in one) refused.push(one)
    else volumes.push(one)
  }
  if (placed.length === 0) return { volumes, refused }
  const kinds = kindsOf(placed, o)
  if (!Array.isArray(kinds)) return { volumes, refused: [...refused, { fault: kinds, planes: placed }] }
  for (const kind of kinds) {
    const separated = separate(kind.places, o)
    refused.push(...separated.refused)
    for (const part of separated.parts) {
      const geometry = geometryOf(part.planes, o)
      const values = valuesOf(part.planes)
      if ('code' in geometry) refused.push({ fault: geometry, planes: part.planes })
      else if ('code' in values) refused.push({ fault: values, planes: part.planes })
      else volumes.push({ kind, ...part, geometry, values })
    }
  }
  return { volumes, refused }
}

/** Labels that tell the volumes of a series apart; the only one has none. */
export function nameAll(found: readonly Found[]): NamedVolume[] {
  const isOnly = found.length === 1
  const facts = factsThatDiffer([...new Set(found.map(({ kind }) => kind.first))])
  const dates = found.flatMap(({ path }) =>
    path.flatMap(({ name, value }) => (name === 'dateTime' ? [`${value ?? ''}`] : [])),
  )
  const since = dates.filter((date) => date !== '').sort()[0]
  const shared = found.map(({ planes }) => sharedMarks(planes))
  const differ = MARKS.filter((mark) => shared.some((marks) => marks[mark] !== shared[0]![mark]))
  return found.map((volume, i) => {
    const kindLabel = factsText(volume.kind.first, facts)
    const label = [kindLabel, pathText(volume.path, since)].filter((part) => part !== '').join(' ')
    const marks = Object.fromEntries(
      differ.flatMap((mark) => (shared[i]![mark] === undefined ? [] : [[mark, shared[i]![mark]]])),
    ) as Marks
    return {
      ...volume,
      label: isOnly ? '' : label,
      kindLabel,
      shared: shared[i]!,
      marks: isOnly ? {} : marks,
    }
  })
}

function sharedMarks(planes: readonly Plane[]): Marks {
  const [first] = planes
  return Object.fromEntries(
    MARKS.filter((mark) => planes.every(({ marks }) => marks[mark] === first!.marks[mark])).flatMap((mark) =>
      first!.marks[mark] === undefined ? [] : [[mark, first!.marks[mark]]],
    ),
  ) as Marks
}
