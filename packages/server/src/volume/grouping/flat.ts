import type { Fault } from '../judge.ts'
import type { Plane } from '../plane.ts'
import { isSpacing } from '../planes/plane-facts.ts'
import type { Geometry } from '../stack.ts'
import { valuesOf } from '../values.ts'
import { placesOf } from './places.ts'
import type { SplitBy } from './separate.ts'
import type { Found } from './volumes.ts'

/** Images that say nothing of a place are a volume each: nobody can say that they belong together. */
export function flatVolumes(
  planes: readonly Plane[],
): (Found | { fault: Fault; planes: readonly Plane[] })[] {
  const numbers = Map.groupBy(planes, ({ header }) => header.instanceNumber)
  return planes.map((plane) => {
    const values = valuesOf([plane])
    if ('code' in values) return { fault: values, planes: [plane] }
    const isAlone = numbers.get(plane.header.instanceNumber)!.length === 1
    const kind = { first: plane, places: placesOf([plane]) }
    return { kind, path: [nameOf(plane, isAlone)], planes: [plane], geometry: geometryOf(plane), values }
  })
}

/** Its number where that is its own; else what is written as a digest of its UID. */
function nameOf({ header: { instanceNumber, sop } }: Plane, isAlone: boolean): SplitBy {
  const isNumber = isAlone && instanceNumber !== undefined
  return { name: 'image', value: isNumber ? instanceNumber : `object ${sop}` }
}

/** A step of 1 stands for a thickness that is not known. */
function geometryOf({ columns, rows, pixelSpacing, sliceThickness, unplaced }: Plane): Geometry {
  const [rowStep, columnStep] = pixelSpacing
  const isThick = unplaced === 'mm' && sliceThickness !== undefined && isSpacing(sliceThickness)
  return {
    ...{ columns, rows, slices: 1 },
    spaceDirections: [
      [columnStep, 0, 0],
      [0, rowStep, 0],
      [0, 0, isThick ? sliceThickness : 1],
    ],
    origin: [0, 0, 0],
    ...(unplaced !== undefined && { unplaced }),
  }
}
