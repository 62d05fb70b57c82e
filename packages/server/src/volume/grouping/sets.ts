import { isDeepStrictEqual } from 'node:util'
import type { Mark } from '../plane.ts'
import type { SetPlan } from '../plan.ts'
import { secondsBetween } from './label.ts'
import type { SplitBy } from './separate.ts'
import type { NamedVolume } from './volumes.ts'

/** An axis, the splits that lie along it, and marks that give it values, the best first. */
interface Axis {
  readonly name: SetPlan['axis']
  readonly along: ReadonlySet<SplitBy['name']>
  readonly values: readonly { mark: Mark; unit?: NonNullable<SetPlan['unit']> }[]
}

/** What counts repetitions goes along with any axis: it numbers the volumes in the order they were made. */
const COUNTS: readonly SplitBy['name'][] = ['time', 'acquisition', 'dateTime', 'instance', 'frame']

/** The first of them that is there is the axis; the others keep sets apart. */
const AXES: readonly Axis[] = [
  {
    name: 'diffusion',
    along: new Set<SplitBy['name']>(['bValue', 'gradient', ...COUNTS]),
    values: [{ mark: 'bValue', unit: 's/mm2' }],
  },
  {
    name: 'time',
    along: new Set<SplitBy['name']>(['frameTime', ...COUNTS]),
    values: [{ mark: 'frameTime', unit: 'ms' }, { mark: 'dateTime', unit: 's' }, { mark: 'time' }],
  },
  {
    name: 'phase',
    along: new Set<SplitBy['name']>(['phase', 'triggerTime']),
    values: [{ mark: 'triggerTime', unit: 'ms' }, { mark: 'phase' }],
  },
  {
    name: 'echo',
    along: new Set<SplitBy['name']>(['echo', 'echoTime']),
    values: [{ mark: 'echoTime', unit: 'ms' }, { mark: 'echo' }],
  },
]
/** Splits that decide for an axis: a diffusion weighting does, a count alone is time. */
const DECIDES: Readonly<Record<SetPlan['axis'], readonly SplitBy['name'][]>> = {
  diffusion: ['bValue', 'gradient'],
  time: ['frameTime', ...COUNTS],
  phase: ['phase', 'triggerTime'],
  echo: ['echo', 'echoTime'],
  frame: [],
}

/**
 * Volumes of one grid and type that belong together along one axis: diffusion weightings, times, cardiac phases or echoes, in this
 * order where several are there. What else tells the volumes apart keeps the sets apart.
 *
 * @param volumes of the series, in order
 */
export function setsOf(volumes: readonly NamedVolume[]): SetPlan[] {
  return [...Map.groupBy(volumes.entries(), ([, { kindLabel }]) => kindLabel)].flatMap(([kind, ofKind]) => {
    const axis = AXES.find(({ name }) =>
      ofKind.some(([, { path }]) => path.some((step) => DECIDES[name].includes(step.name))),
    )
    if (axis === undefined) return []
    const groups = Map.groupBy(ofKind, ([, member]) => keyOf(member, axis))
    return [...groups].flatMap(([, group]) => {
      if (group.length < 2 || !areOneGrid(group.map(([, volume]) => volume))) return []
      return [setOf(kind, axis, axis.name === 'diffusion' ? asMade(group) : group)]
    })
  })
}

function rest({ path }: NamedVolume, { along }: Axis): readonly SplitBy[] {
  return path.filter(({ name }) => !along.has(name))
}

function keyOf(member: NamedVolume, axis: Axis): string {
  return JSON.stringify(rest(member, axis).map(({ name, value }) => [name, value ?? null]))
}

/** Tables of directions go by the order in which a scanner made its volumes. */
function asMade(group: readonly [number, NamedVolume][]): readonly [number, NamedVolume][] {
  const order = ({ planes, shared }: NamedVolume): readonly number[] => [
    Number(shared.time ?? 0),
    Number(shared.acquisition ?? 0),
    planes[0]!.header.instanceNumber ?? 0,
    planes[0]!.frame,
  ]
  return group.toSorted(([, a], [, b]) => {
    const [x, y] = [order(a), order(b)]
    const at = x.findIndex((value, i) => value !== y[i])
    return at < 0 ? 0 : x[at]! - y[at]!
  })
}

function areOneGrid([first, ...others]: readonly NamedVolume[]): boolean {
  return others.every(
    ({ geometry, values, planes }) =>
      isDeepStrictEqual(geometry, first!.geometry) &&
      values.type === first!.values.type &&
      planes[0]!.values.units === first!.planes[0]!.values.units,
  )
}

function setOf(kind: string, axis: Axis, group: readonly [number, NamedVolume][]): SetPlan {
  const label = [kind, axis.name, ...rest(group[0]![1], axis).map(({ name, value }) => `${name}=${value}`)]
  const found = axis.values
    .map(({ mark, unit }) => ({ unit, values: valuesOf(group, mark) }))
    .find(({ values }) => values !== undefined)
  return {
    label: label.filter((part) => part !== '').join(' '),
    axis: axis.name,
    ...(found?.unit !== undefined && { unit: found.unit }),
    values: found?.values ?? group.map((_, i) => i),
    members: group.map(([index]) => index),
  }
}

/** One number for each volume; undefined where one does not say it, or all say the same. */
function valuesOf(group: readonly [number, NamedVolume][], mark: Mark): number[] | undefined {
  const said = group.map(([, { shared }]) => shared[mark])
  if (said.includes(undefined) || new Set(said).size < 2) return undefined
  const values = said.map((value) =>
    mark === 'dateTime' ? secondsBetween(String(said[0]), String(value)) : Number(value),
  )
  return values.every(Number.isFinite) ? values : undefined
}
