import type { Fault } from '../judge.ts'
import { MARKS, type Mark, type Plane } from '../plane.ts'
import { byInstance } from './by-instance.ts'
import { evenGap, inMm, type Located, type Places } from './places.ts'

/** One step on the way from a series to a volume: what split it off, and the value it has of that. */
export interface SplitBy {
  readonly name: Mark | 'instance' | 'frame' | 'image'
  /** absent where its planes do not say */
  readonly value: string | number | undefined
}

/** Planes that are to make one volume: one at each place, in order. */
export interface Part {
  readonly path: readonly SplitBy[]
  readonly planes: readonly Plane[]
}

export interface RefusedPlanes {
  readonly fault: Fault
  readonly planes: readonly Plane[]
}

/** Some planes of a series on their way to be volumes. */
export interface Group {
  readonly planes: readonly Located[]
  readonly path: readonly SplitBy[]
  /** places that a whole volume of it has */
  readonly whole: ReadonlySet<number>
}

/** What no volume has two of: where it differs and does not split, nobody can say what the volume would be. */
const ONE_IN_A_VOLUME = ['stack', 'imageType', 'quantity', 'echo', 'bValue', 'time', 'phase'] as const
/** What may split planes that lie at places of their own. */
const BESIDE: ReadonlySet<Mark> = new Set([...ONE_IN_A_VOLUME, 'echoTime', 'flipAngle'])
/** Parts that may lie beside each other. */
const MOST_BESIDE = 64
/** What also differs between pictures of one place that are no volumes. */
const WEAK: ReadonlySet<Mark> = new Set(['acquisition', 'dateTime'])

/**
 * Separates planes of one kind into volumes, each with one plane at each place: by the first mark of MARKS that does so,
 * again and again.
 *
 * @param o `allowGaps`: a volume that lacks places of the others is one all the same
 * @see docs/formats/volume.md
 */
export function separate(
  places: Places,
  o: { allowGaps: boolean },
): { parts: Part[]; refused: RefusedPlanes[] } {
  const parts: Part[] = []
  const refused: RefusedPlanes[] = []
  const open: Group[] = [{ planes: places.planes, path: [], whole: new Set(places.heights.keys()) }]
  const refuse = (group: Group, fault: Fault) => refused.push({ fault, planes: planesIn(group) })
  for (let group = open.shift(); group !== undefined; group = open.shift()) {
    const divided = divide(group, places)
    if (!('whole' in divided)) {
      if (Array.isArray(divided)) open.unshift(...divided)
      else refuse(group, divided as Fault)
    } else if (group.planes.length < group.whole.size && !o.allowGaps)
      refuse(group, incomplete(group, places))
    else parts.push({ path: group.path, planes: planesIn(group) })
  }
  return { parts, refused }
}

/** The groups that a group consists of; itself when it is one volume. */
function divide(group: Group, places: Places): Group | Group[] | Fault {
  const here = new Set(group.planes.map(({ at }) => at))
  const isRepeated = here.size < group.planes.length
  const values = MARKS.map((mark) => ({ mark, size: distinct(group.planes, mark) }))
  const varying = values.filter(({ size }) => size > 1)
  const most = here.size === 1 ? Infinity : Math.max(MOST_BESIDE, (2 * group.planes.length) / here.size)
  const splits = varying
    .filter(({ mark, size }) => size <= most && (group.whole.size > 1 || !WEAK.has(mark)))
    .map(({ mark }) => splitBy(group, mark))
  const whole = isRepeated && splits.find(({ parts }) => parts.every((part) => isWhole(part, here.size)))
  if (whole) return groupsOf(group, whole, group.whole)
  const beside = splits.find(({ mark, parts }) => BESIDE.has(mark) && areApart(parts, places.heights))
  if (beside) return groupsOf(group, beside)
  const some = isRepeated && halfWhole(splits, here.size)
  if (some) return groupsOf(group, some, group.whole)
  if (isRepeated) return byInstance(group, here.size) ?? inseparable(group, here.size, places)
  const mixed = ONE_IN_A_VOLUME.find((name) => varying.some(({ mark }) => mark === name))
  return mixed === undefined ? group : several(mixed)
}

interface Split {
  readonly mark: Mark
  /** one for each value, in order */
  readonly values: readonly (string | number | undefined)[]
  readonly parts: readonly (readonly Located[])[]
}

function splitBy(group: Group, mark: Mark): Split {
  const byValue = Map.groupBy(group.planes, ({ plane }) => keyOf(plane, mark))
  const ordered = [...byValue].sort(([a], [b]) => compare(a, b))
  return { mark, values: ordered.map(([value]) => value), parts: ordered.map(([, part]) => part) }
}

/** @param whole places that each must have; their own where absent */
function groupsOf(group: Group, { mark, values, parts }: Split, whole?: Group['whole']): Group[] {
  return parts.map((planes, i) => ({
    planes,
    path: [...group.path, { name: mark, value: values[i] }],
    whole: whole ?? new Set(planes.map(({ at }) => at)),
  }))
}

/** Numbers that differ by less than their sixth digit are one. */
function keyOf({ marks }: Plane, mark: Mark): string | number | undefined {
  const value = marks[mark]
  return typeof value !== 'number' || Number.isInteger(value) ? value : Number(value.toPrecision(6))
}

/** How many values the planes have of a mark. */
function distinct(planes: readonly Located[], mark: Mark): number {
  const values = new Set<string | number | undefined>()
  let last: unknown = values
  for (const { plane } of planes) {
    if (plane.marks[mark] !== last) values.add(keyOf(plane, mark))
    last = plane.marks[mark]
  }
  return values.size
}

/** Numbers first and ascending, then text, then what is not said. */
function compare(a: string | number | undefined, b: string | number | undefined): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a !== typeof b) return rank(a) - rank(b)
  return `${a}` < `${b}` ? -1 : 1
}

function rank(value: unknown): number {
  return ['number', 'string', 'undefined'].indexOf(typeof value)
}

/** True where each of so many places has equally many of the planes. */
function isWhole(planes: readonly Located[], places: number): boolean {
  if (planes.length % places !== 0) return false
  const counts = countsOf(planes)
  return counts.size === places && [...counts.values()].every((count) => count === planes.length / places)
}

/** True where each part is a regular stack of its own, of two places or more, and lies beside the others, not between them. */
function areApart(parts: readonly (readonly Located[])[], heights: readonly number[]): boolean {
  const own = parts.map((part) => [...countsOf(part).keys()])
  if (own.some((at) => at.length < 2)) return false
  if (parts.some((part, i) => !isWhole(part, own[i]!.length))) return false
  if (own.some((at) => evenGap(at.map((place) => heights[place]!)) === undefined)) return false
  own.sort((a, b) => a[0]! - b[0]!)
  return own.every((at, i) => i === 0 || own[i - 1]!.at(-1)! < at[0]!)
}

/** The split with most planes in whole parts, of those with half of their parts whole and fewer planes at each place. */
function halfWhole(splits: readonly Split[], places: number): Split | undefined {
  if (places < 2) return undefined
  const most = (planes: readonly Located[]): number =>
    [...countsOf(planes).values()].reduce((a, b) => Math.max(a, b))
  return splits
    .map((split) => ({ split, whole: split.parts.filter((part) => isWhole(part, places)) }))
    .filter(({ split, whole }) => {
      const all = most(split.parts.flat())
      return whole.length >= split.parts.length / 2 && split.parts.every((part) => most(part) < all)
    })
    .sort((a, b) => b.whole.flat().length - a.whole.flat().length)[0]?.split
}

function countsOf(planes: readonly Located[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const { at } of planes) counts.set(at, (counts.get(at) ?? 0) + 1)
  return counts
}

function planesIn({ planes }: Group): Plane[] {
  return planes.map(({ plane }) => plane)
}

function incomplete({ planes, whole }: Group, { heights }: Places): Fault {
  const here = new Set(planes.map(({ at }) => at))
  const missing = [...whole].filter((at) => !here.has(at)).map((at) => heights[at]!)
  return {
    code: 'MDM_GEOMETRY_GAP',
    reason: `a volume of the series has ${here.size} of ${whole.size} slices; missing are those at ${inMm(missing)}`,
    tags: ['ImagePositionPatient'],
  }
}

function inseparable({ planes }: Group, places: number, { heights }: Places): Fault {
  const [first] = [...countsOf(planes)].filter(([, count]) => count > 1)
  return {
    code: 'MDM_SEVERAL_VOLUMES',
    reason: `${planes.length} images lie at ${places} positions, and nothing tells volumes apart; several lie at ${inMm([heights[first![0]]!])}`,
    tags: ['ImagePositionPatient'],
  }
}

/** Names of DICOM PS3.6 for marks that differ. */
const TAGS: Readonly<Record<(typeof ONE_IN_A_VOLUME)[number], string>> = {
  stack: 'StackID',
  imageType: 'ImageType',
  quantity: 'ComplexImageComponent',
  echo: 'EchoNumbers',
  bValue: 'DiffusionBValue',
  time: 'TemporalPositionIdentifier',
  phase: 'NominalCardiacTriggerDelayTime',
}

function several(mark: keyof typeof TAGS): Fault {
  return {
    code: 'MDM_SEVERAL_VOLUMES',
    reason: 'the images are of different echoes, times or types, and none of these makes a volume',
    tags: [TAGS[mark]],
  }
}
