import type { Vec3, Volume } from '@mdm/core/volume/volume'
import { evenGap, gapsOf, inMm, normalOf } from './grouping/places.ts'
import { isSpacing } from './planes/plane-facts.ts'
import type { Fault } from './judge.ts'
import type { Plane } from './plane.ts'
import { dot, length, scale, subtract } from './vector.ts'

/** A slice may lie beside the straight line through the stack by this part of the spacing, and by LINE_MM besides. */
const LINE_PART = 0.05
const LINE_MM = 0.01
/** A stack that leans farther against its normal is none of a scanner: cos of 45 degrees. */
const MOST_TILT = Math.SQRT1_2
/** Positions of more uneven slices do not fit the header of a volume. */
const MOST_POSITIONS = 4_000
/** Two slices say nothing about a third between them; they may be apart by this much of what they say of themselves. */
const PAIR = 1.5

export type Geometry = Pick<
  Volume,
  'columns' | 'rows' | 'slices' | 'spaceDirections' | 'origin' | 'slicePositions' | 'unplaced'
>

/**
 * Whether planes are one stack, and its grid. A stack may lean against its normal (gantry tilt): the step from slice to
 * slice is the vector that the positions say. Of the thickness tags a single slice and a pair are asked.
 *
 * @param planes of one kind, one at each place, in order along the normal
 * @param o `allowGaps`: slices may be missing or uneven; where they are then goes into `slicePositions`
 * @see docs/formats/volume.md; DICOM PS3.3 C.7.6.2.1.1
 */
export function geometryOf(planes: readonly Plane[], o: { allowGaps: boolean }): Geometry | Fault {
  const first = planes[0]!
  const [a, b, c, d, e, f] = first.orientation
  const normal = normalOf(first.orientation)
  const step = planes.length === 1 ? singleStep(first, normal) : stepOf(planes, normal, o)
  if ('code' in step) return step
  return {
    columns: first.columns,
    rows: first.rows,
    slices: planes.length,
    spaceDirections: [
      scale([a, b, c], first.pixelSpacing[1]),
      scale([d, e, f], first.pixelSpacing[0]),
      scale(step.step, 1),
    ],
    origin: scale(first.position, 1),
    ...(step.positions && { slicePositions: step.positions }),
  }
}

interface Step {
  readonly step: Vec3
  /** mm of each slice from the first, where they are not even */
  readonly positions?: number[]
}

/** A single slice says nothing about distance: its thickness is taken, else the spacing tag. */
function singleStep({ sliceThickness, spacingBetweenSlices }: Plane, normal: Vec3): Step | Fault {
  const mm = [sliceThickness, spacingBetweenSlices].find((value) => value !== undefined && isSpacing(value))
  if (mm !== undefined) return { step: scale(normal, mm) }
  return {
    code: 'MDM_GEOMETRY',
    reason: 'a single slice that does not say how thick it is',
    tags: ['SliceThickness'],
  }
}

/** The step from slice to slice: the mean over the stack, once every slice is known to keep to it. */
function stepOf(planes: readonly Plane[], normal: Vec3, o: { allowGaps: boolean }): Step | Fault {
  const [first, last] = [planes[0]!, planes.at(-1)!]
  const tags = ['ImagePositionPatient']
  const heights = planes.map((plane) => dot(plane.position, normal))
  const step = scale(subtract(last.position, first.position), 1 / (planes.length - 1))
  const gap = unevenness(heights) ?? pairTooFar(planes, heights)
  if (gap !== undefined && !(o.allowGaps && planes.length <= MOST_POSITIONS)) return gap
  const cosine = dot(step, normal) / length(step)
  if (!(cosine >= MOST_TILT)) {
    const degrees = Math.round((Math.acos(cosine) * 180) / Math.PI)
    const reason = `the stack leans by ${degrees} degrees against the normal of its slices`
    return { code: 'MDM_GEOMETRY_TILT', reason, tags }
  }
  const mean = (heights.at(-1)! - heights[0]!) / (planes.length - 1)
  const aside = planes.map(({ position }, i) => {
    const along = (heights[i]! - heights[0]!) / mean
    return length(subtract(subtract(position, first.position), scale(step, gap === undefined ? i : along)))
  })
  const worst = aside.reduce((a, b) => Math.max(a, b))
  if (worst > LINE_PART * mean + LINE_MM) {
    return {
      code: 'MDM_GEOMETRY',
      reason: `slices lie up to ${worst.toFixed(3)} mm beside the line of the stack; the farthest at ${inMm([heights[aside.indexOf(worst)]!])}`,
      tags,
    }
  }
  if (gap === undefined) return { step }
  const positions = heights.map((mm) => Number((((mm - heights[0]!) / mean) * length(step)).toFixed(6)))
  return { step, positions }
}

/** Gaps that are no multiple of the usual one are uneven; else slices are missing. Either way the positions say where. */
function unevenness(heights: readonly number[]): Fault | undefined {
  if (evenGap(heights) !== undefined) return undefined
  const gaps = gapsOf(heights)
  const usual = gaps.toSorted((a, b) => a - b)[Math.floor((gaps.length - 1) / 2)]!
  const [least, most] = gaps.reduce(([a, b], gap) => [Math.min(a, gap), Math.max(b, gap)], [usual, usual])
  const odd = gaps.flatMap((gap, i) => (Math.abs(gap - usual) > 0.05 * usual ? [heights[i]!] : []))
  const where = odd.length === 0 ? inMm(heights) : `the odd ones follow ${inMm(odd)}`
  return {
    code: 'MDM_GEOMETRY_GAP',
    reason: `gaps run from ${least.toFixed(3)} to ${most.toFixed(3)} mm, most are ${usual.toFixed(3)} mm; ${where}`,
    tags: ['ImagePositionPatient'],
  }
}

/** Two slices farther apart than they say of themselves may lack the ones between; some say nothing. */
function pairTooFar(planes: readonly Plane[], heights: readonly number[]): Fault | undefined {
  if (planes.length !== 2) return undefined
  const { sliceThickness = 0, spacingBetweenSlices = 0 } = planes[0]!
  const said = Math.max(sliceThickness, spacingBetweenSlices, sliceThickness + spacingBetweenSlices)
  if (said === 0 || heights[1]! - heights[0]! <= PAIR * said) return undefined
  return {
    code: 'MDM_GEOMETRY_GAP',
    reason: `two slices that are farther apart than their thickness explains, at ${inMm(heights)}`,
    tags: ['ImagePositionPatient', 'SliceThickness'],
  }
}
