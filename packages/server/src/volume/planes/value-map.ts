import type { InstanceHeader } from '../../dicom/source.ts'
import type { Fault } from '../judge.ts'
import type { ValueMap } from '../plane.ts'

/** Of rescale slope and intercept; volume formats keep them as 32-bit floating point numbers. */
const MAX_VALUE = 1e30

/** How the stored numbers of a classic object become values (DICOM PS3.3 C.11.1). */
export function objectValues({ slope, intercept, modality, text }: InstanceHeader): ValueMap | Fault {
  return linear(slope, intercept, modality === 'PT' ? text.Units : text.RescaleType)
}

/** A slope and an intercept, or why they are none. */
export function linear(
  slope: number | undefined,
  intercept: number | undefined,
  units: string | undefined,
): ValueMap | Fault {
  if (
    slope === undefined ||
    intercept === undefined ||
    !isSlope(slope) ||
    !(Math.abs(intercept) <= MAX_VALUE)
  )
    return {
      code: 'MDM_RESCALE',
      reason: 'the rescale values are malformed or out of all bounds, or the slope is 0',
      tags: ['RescaleSlope', 'RescaleIntercept'],
    }
  return { slope, intercept, ...(units !== undefined && { units }) }
}

function isSlope(slope: number): boolean {
  return Math.abs(slope) >= 1 / MAX_VALUE && Math.abs(slope) <= MAX_VALUE
}
