import type { Vec3 } from '@mdm/core/volume/volume'
import type { Orientation } from '../../dicom/source.ts'
import type { Plane } from '../plane.ts'
import { cross, dot, length, scale } from '../vector.ts'

/** Positions nearer than this along the normal are one place (mm). */
export const SAME_POSITION_MM = 0.01
/** A gap may differ from the mean gap by this part of it, and by GAP_MM besides. */
const GAP_PART = 0.02
const GAP_MM = 0.01

/** A plane and the number of its place, from 0 along the normal. */
export interface Located {
  readonly plane: Plane
  readonly at: number
}

/** Where the planes of one orientation lie. */
export interface Places {
  /** mm along the normal, one for each place, ascending */
  readonly heights: readonly number[]
  /** in the order of `heights`; planes of one place in the order they came */
  readonly planes: readonly Located[]
}

/** Unit vector of row direction x column direction: the way in which slices are counted. */
export function normalOf([a, b, c, d, e, f]: Orientation): Vec3 {
  const normal = cross([a, b, c], [d, e, f])
  return scale(normal, 1 / length(normal))
}

/** Sorts planes along the normal of the first, and counts the places. */
export function placesOf(planes: readonly Plane[]): Places {
  const normal = normalOf(planes[0]!.orientation)
  const found = planes.map((plane) => ({ plane, height: dot(plane.position, normal) }))
  found.sort((a, b) => a.height - b.height)
  const heights: number[] = []
  const located = found.map(({ plane, height }) => {
    if (heights.length === 0 || height - heights.at(-1)! >= SAME_POSITION_MM) heights.push(height)
    return { plane, at: heights.length - 1 }
  })
  return { heights, planes: located }
}

/** Gaps between neighbours, and their mean; undefined where one is outside the tolerance. */
export function evenGap(heights: readonly number[]): number | undefined {
  const gaps = gapsOf(heights)
  const mean = (heights.at(-1)! - heights[0]!) / gaps.length
  return gaps.some((gap) => Math.abs(gap - mean) > GAP_PART * mean + GAP_MM) ? undefined : mean
}

export function gapsOf(heights: readonly number[]): number[] {
  return heights.slice(1).map((height, i) => height - heights[i]!)
}

/** At most this many positions are listed in one reason. */
const LISTED = 12

/** Positions as a reason names them: `12.00, 14.00 mm along the normal`. */
export function inMm(heights: readonly number[]): string {
  const listed = heights.slice(0, LISTED).map((mm) => mm.toFixed(2))
  const more = heights.length > LISTED ? ` and ${heights.length - LISTED} more` : ''
  return `${listed.join(', ')}${more} mm along the normal`
}
