import type { Vec3 } from './volume.ts'

export type Axis = 0 | 1 | 2

/** An axis of the patient (0 to the left, 1 to the back, 2 to the head), and whether it is followed or opposed. */
export interface Along {
  readonly world: Axis
  readonly sign: 1 | -1
}

const ORDERS: readonly (readonly [Axis, Axis, Axis])[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
]

/**
 * The axis of the patient that each of three directions is nearest to; no axis twice, also where two directions lean the
 * same way.
 *
 * @param directions of length 1, LPS
 */
export function nearestAxes(directions: readonly Vec3[]): Along[] {
  const along = (order: readonly Axis[]) =>
    order.reduce<number>((sum, world, axis) => sum + Math.abs(directions[axis]![world]), 0)
  const best = ORDERS.reduce((found, order) => (along(order) > along(found) ? order : found))
  return best.map((world, axis) => ({ world, sign: directions[axis]![world] < 0 ? -1 : 1 }))
}
