import type { Vec3 } from '@mdm/core/volume/volume'
import type { FrameMarks } from '../../dicom/marks.ts'
import type { InstanceHeader, Orientation } from '../../dicom/source.ts'
import type { Fault } from '../judge.ts'
import type { Plane, ValueMap } from '../plane.ts'

/** A kilometre: what is farther away is no position, and sums with it are no numbers any more. */
const MAX_POSITION_MM = 1e6

/** What an object says of one plane, before anything is known to be there. */
export interface PlaneFacts {
  position: Vec3 | undefined
  orientation: Orientation | undefined
  pixelSpacing: [number, number] | undefined
  sliceThickness: number | undefined
  spacingBetweenSlices: number | undefined
  marks: FrameMarks
}

/** Where a plane lies: the whole frame, unless it is a tile of it. */
export type Place = Pick<Plane, 'frame' | 'tile' | 'rows' | 'columns'>

/** A plane of what is said of it, or the name of what is absent, malformed or out of all bounds. */
export function planeOf(
  header: InstanceHeader,
  place: Place,
  facts: PlaneFacts,
  values: ValueMap,
): Plane | Fault {
  const { position, orientation, pixelSpacing, sliceThickness, spacingBetweenSlices, marks } = facts
  const fault = (reason: string, tag: string): Fault => ({ code: 'MDM_GEOMETRY', reason, tags: [tag] })
  if (position === undefined || !position.every((mm) => Math.abs(mm) <= MAX_POSITION_MM))
    return fault('the position is absent, malformed or out of all bounds', 'ImagePositionPatient')
  if (orientation === undefined)
    return fault('the orientation is absent or malformed', 'ImageOrientationPatient')
  if (pixelSpacing === undefined || !pixelSpacing.every(isSpacing))
    return fault('the pixel spacing is absent, malformed or out of all bounds', 'PixelSpacing')
  if (!isOrthonormal(orientation))
    return fault('the orientation is no pair of orthogonal unit vectors', 'ImageOrientationPatient')
  return {
    header,
    ...place,
    position,
    orientation,
    pixelSpacing,
    sliceThickness,
    spacingBetweenSlices,
    values,
    marks,
  }
}

/** True for a distance between voxels (mm): of microscopes, of scanners, and with room for both. */
export function isSpacing(mm: number): boolean {
  return mm >= 1e-6 && mm <= 1e4
}

/** Unit length and right angle within 1e-3: decimal strings of four digits pass. */
function isOrthonormal([a, b, c, d, e, f]: Orientation): boolean {
  const unit = (length: number): boolean => Math.abs(length - 1) <= 1e-3
  return unit(Math.hypot(a, b, c)) && unit(Math.hypot(d, e, f)) && Math.abs(a * d + b * e + c * f) <= 1e-3
}
