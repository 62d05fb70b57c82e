import type { Plane } from '../plane.ts'
import type { Located } from './places.ts'
import type { Group, SplitBy } from './separate.ts'

/**
 * Volumes that nothing tells apart but the order of their objects: at each place the first image is of the first volume, and so on,
 * if from one volume to the next the number of the object grows by the same at every place.
 *
 * @param places at which the group has planes
 * @returns undefined where the numbers do not say it, or there is one place only; the last volume may lack places
 */
export function byInstance(group: Group, places: number): Group[] | undefined {
  if (places < 2) return undefined
  const columns = [...Map.groupBy(group.planes, ({ at }) => at).values()]
  for (const column of columns) column.sort((a, b) => order(a.plane) - order(b.plane))
  const least = columns.reduce((least, { length }) => Math.min(least, length), Infinity)
  const most = columns.reduce((most, { length }) => Math.max(most, length), 0)
  // Of one picture too many nobody can say which of them it is.
  if (least < 2 || most - least > 1) return undefined
  const volumes: Located[][] = []
  for (let n = 0; n < most; n++) {
    const volume = columns.flatMap((column) => column[n] ?? [])
    if (n > 0 && !keepsStep(columns, n)) return undefined
    volumes.push(volume)
  }
  return volumes.map((planes) => ({
    planes,
    path: [...group.path, nameOf(planes[0]!.plane, volumes)],
    whole: group.whole,
  }))
}

/** Objects in order of their numbers, frames within them. */
function order({ header, frame }: Plane): number {
  return (header.instanceNumber ?? Number.NaN) + frame / 2 ** 20
}

function keepsStep(columns: readonly (readonly Located[])[], n: number): boolean {
  const steps = columns
    .filter((column) => column[n] !== undefined)
    .map((column) => order(column[n]!.plane) - order(column[n - 1]!.plane))
  // NaN is not above 0
  return steps.every((step) => step > 0 && Math.abs(step - steps[0]!) < 2 ** -22)
}

/** The number of its first object says which volume it is, also when one comes before it. */
function nameOf({ header, frame }: Plane, volumes: readonly Located[][]): SplitBy {
  const isOneObject = volumes.every(([first]) => first!.plane.header === header)
  return isOneObject ? { name: 'frame', value: frame } : { name: 'instance', value: header.instanceNumber }
}
