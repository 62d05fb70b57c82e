import type { Vec3, Volume } from '@mdm/core/volume/volume'
import { isSpacing, type Fault, type SliceHeader } from './judge.ts'
import { cross, dot, length, scale, subtract } from './vector.ts'

/** Positions nearer than this are one position (mm). */
export const SAME_POSITION_MM = 0.01
/** A gap may differ from the mean gap by this part of it, and by GAP_MM besides. */
export const GAP_PART = 0.02
export const GAP_MM = 0.01
/** A slice may lie beside the straight line through the stack by this part of the spacing, and by GAP_MM besides. */
export const LINE_PART = 0.05
/** cos of the angle between stack and normal may be less than 1 by this: 0.81 degrees. */
export const TILT = 1e-4
/** Direction cosines of one stack may differ by this. */
export const ORIENTATION = 1e-4

export interface Stack {
  /** in order along the normal */
  slices: SliceHeader[]
  geometry: Pick<Volume, 'columns' | 'rows' | 'slices' | 'spaceDirections' | 'origin'>
}

/**
 * Orders slices along their normal and says whether they are one regular stack. InstanceNumber, SliceLocation and file
 * names are not asked; of the thickness tags only for a single slice.
 *
 * @param slices of one SOP class, each judged alone, none twice
 * @see docs/formats/volume.md; DICOM PS3.3 C.7.6.2.1.1
 */
export function stackOf(slices: readonly SliceHeader[]): Stack | Fault {
  const first = slices[0]!
  const fault = mixed(slices)
  if (fault) return fault
  const [column, row] = axes(first)
  const normal = scale(cross(column, row), 1 / length(cross(column, row)))
  const ordered = [...slices].sort((a, b) => dot(a.position, normal) - dot(b.position, normal))
  const step = ordered.length === 1 ? singleStep(first, normal) : evenStep(ordered, normal)
  if ('code' in step) return step
  return {
    slices: ordered,
    geometry: {
      columns: first.columns,
      rows: first.rows,
      slices: ordered.length,
      spaceDirections: [
        scale(column, first.pixelSpacing[1]),
        scale(row, first.pixelSpacing[0]),
        scale(step, 1),
      ],
      origin: scale(ordered[0]!.position, 1),
    },
  }
}

/** Unit vectors of growing column index and growing row index. */
function axes({ orientation: o }: SliceHeader): [Vec3, Vec3] {
  return [
    [o[0], o[1], o[2]],
    [o[3], o[4], o[5]],
  ]
}

/** What no single volume can have two of. */
function mixed(slices: readonly SliceHeader[]): Fault | undefined {
  const first = slices[0]!
  const differs = (value: (slice: SliceHeader) => unknown): boolean =>
    slices.some((slice) => value(slice) !== value(first))
  const far = (value: (slice: SliceHeader) => readonly number[], tolerance: number): boolean =>
    slices.some((slice) => value(slice).some((v, i) => Math.abs(v - value(first)[i]!) > tolerance))
  const geometry = (reason: string, ...tags: string[]): Fault => ({ code: 'MDM_GEOMETRY', reason, tags })
  if (differs((s) => s.text.PatientID)) {
    return {
      code: 'MDM_CONFLICT',
      reason: 'the objects of the series name different patients',
      tags: ['PatientID'],
    }
  }
  if (differs((s) => s.rows) || differs((s) => s.columns))
    return geometry('the images differ in size', 'Rows', 'Columns')
  if (far((s) => s.orientation, ORIENTATION))
    return geometry('the images differ in orientation', 'ImageOrientationPatient')
  if (far((s) => s.pixelSpacing, 1e-4 * first.pixelSpacing[0]))
    return geometry('the images differ in pixel spacing', 'PixelSpacing')
  if (differs((s) => s.text.FrameOfReferenceUID))
    return geometry('the images have different frames of reference', 'FrameOfReferenceUID')
  if (
    ['bitsAllocated', 'pixelRepresentation', 'photometric'].some((key) =>
      differs((s) => s[key as keyof SliceHeader]),
    )
  ) {
    return {
      code: 'MDM_PIXELS',
      reason: 'the images differ in the type of their pixels',
      tags: ['BitsAllocated', 'PixelRepresentation'],
    }
  }
  return undefined
}

/** A single slice says nothing about distance: its thickness is taken, else the spacing tag. */
function singleStep({ sliceThickness, spacingBetweenSlices }: SliceHeader, normal: Vec3): Vec3 | Fault {
  const mm = [sliceThickness, spacingBetweenSlices].find((value) => value !== undefined && isSpacing(value))
  if (mm !== undefined) return scale(normal, mm)
  return {
    code: 'MDM_GEOMETRY',
    reason: 'a single slice that does not say how thick it is',
    tags: ['SliceThickness'],
  }
}

/** The step from slice to slice: the mean over the stack, once every slice is known to keep to it. */
function evenStep(ordered: readonly SliceHeader[], normal: Vec3): Vec3 | Fault {
  const [first, last] = [ordered[0]!, ordered.at(-1)!]
  const tags = ['ImagePositionPatient']
  const heights = ordered.map((slice) => dot(slice.position, normal))
  const gaps = heights.slice(1).map((height, i) => height - heights[i]!)
  const repeated = gaps.filter((gap) => gap < SAME_POSITION_MM).length
  if (repeated > 0) {
    return {
      code: 'MDM_SEVERAL_VOLUMES',
      reason: `${ordered.length} images lie at ${ordered.length - repeated} positions`,
      tags,
    }
  }
  const severalAt = ['EchoNumbers', 'TemporalPositionIdentifier'] as const
  const several = severalAt.find((key) => ordered.some((slice) => slice.text[key] !== first.text[key]))
  if (several !== undefined || ordered.some((slice) => !sameList(slice.imageType, first.imageType))) {
    return {
      code: 'MDM_SEVERAL_VOLUMES',
      reason: 'the images are of different echoes, times or types',
      tags: [several ?? 'ImageType'],
    }
  }
  const mean = (heights.at(-1)! - heights[0]!) / gaps.length
  if (gaps.some((gap) => Math.abs(gap - mean) > GAP_PART * mean + GAP_MM)) {
    const [least, most] = [Math.min(...gaps), Math.max(...gaps)]
    const after = gaps.indexOf(most)
    const where = `the widest lies between ${heights[after]!.toFixed(2)} and ${heights[after + 1]!.toFixed(2)} mm along the normal`
    return {
      code: 'MDM_GEOMETRY_GAP',
      reason: `gaps run from ${least.toFixed(3)} to ${most.toFixed(3)} mm; ${where}`,
      tags,
    }
  }
  const step = scale(subtract(last.position, first.position), 1 / gaps.length)
  if (dot(step, normal) / length(step) < 1 - TILT) {
    return { code: 'MDM_GEOMETRY_TILT', reason: 'the stack leans against the normal of its slices', tags }
  }
  const aside = ordered.map((slice, i) =>
    length(subtract(subtract(slice.position, first.position), scale(step, i))),
  )
  const worst = Math.max(...aside)
  if (worst > LINE_PART * mean + GAP_MM) {
    return {
      code: 'MDM_GEOMETRY',
      reason: `slices lie up to ${worst.toFixed(3)} mm beside the line of the stack`,
      tags,
    }
  }
  if (ordered.some((slice) => slice.slope !== first.slope || slice.intercept !== first.intercept)) {
    return {
      code: 'MDM_RESCALE',
      reason: 'the slices have different rescale values',
      tags: ['RescaleSlope', 'RescaleIntercept'],
    }
  }
  return step
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
