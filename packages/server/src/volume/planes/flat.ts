import type { InstanceHeader } from '../../dicom/source.ts'
import type { Plane, ValueMap } from '../plane.ts'
import { isSpacing, type Place } from './plane-facts.ts'

/** SOP classes, and what begins with them, whose images need not say where they lie: X-rays, ultrasound, captures, photographs. */
const FLAT_CLASSES = [
  '1.2.840.10008.5.1.4.1.1.1',
  '1.2.840.10008.5.1.4.1.1.3',
  '1.2.840.10008.5.1.4.1.1.6',
  '1.2.840.10008.5.1.4.1.1.7',
  '1.2.840.10008.5.1.4.1.1.12.1',
  '1.2.840.10008.5.1.4.1.1.12.2',
  '1.2.840.10008.5.1.4.1.1.77.1.1',
  '1.2.840.10008.5.1.4.1.1.77.1.4',
]

/** True for an image of its own, which says nothing of a place and need not. */
export function isFlat({ sopClass, frames, position, orientation, tiled }: InstanceHeader): boolean {
  if (frames !== 1 || tiled || position !== undefined || orientation !== undefined) return false
  return FLAT_CLASSES.some((uid) => sopClass === uid || sopClass.startsWith(`${uid}.`))
}

/**
 * The plane of an image that says nothing of its place: at the origin, along its own axes. Of the size of its pixels only PixelSpacing is
 * believed: what was measured at the detector is not the size in the patient (DICOM PS3.3 10.7.1.3).
 */
export function flatPlane(header: InstanceHeader, place: Place, values: ValueMap): Plane {
  const { pixelSpacing, sliceThickness, spacingBetweenSlices, marks } = header
  const inMm = pixelSpacing?.every(isSpacing) === true
  return {
    header,
    ...place,
    position: [0, 0, 0],
    orientation: [1, 0, 0, 0, 1, 0],
    pixelSpacing: inMm ? pixelSpacing : [1, 1],
    ...{ sliceThickness, spacingBetweenSlices, values, marks },
    unplaced: inMm ? 'mm' : 'pixels',
  }
}
