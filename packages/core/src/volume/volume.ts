import { z } from 'zod'
import { MdmError } from '../errors.ts'

/** x, y, z in mm, LPS: x grows to the patient's left, y to the back, z to the head (DICOM PS3.3 C.7.6.2.1.1). */
export const Vec3 = z.tuple([z.number(), z.number(), z.number()])
export type Vec3 = z.infer<typeof Vec3>

/** Bytes of one voxel, for every type a volume can have; all little endian. */
export const VOXEL_BYTES = {
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  float64: 8,
  /** red, green, blue, one byte each */
  rgb24: 3,
} as const

export const VoxelType = z.enum([
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'float32',
  'float64',
  'rgb24',
])
export type VoxelType = z.infer<typeof VoxelType>

const Count = z.int().min(1).max(65_535)

/**
 * What is known of a volume without its voxels: all that leaves the hospital with them.
 *
 * Voxels follow as slices of rows of columns (column index fastest). The centre of voxel (i, j, k) lies at
 * `origin + i * spaceDirections[0] + j * spaceDirections[1] + k * spaceDirections[2]`; its value is `stored * slope + intercept`.
 */
export const Volume = z.object({
  columns: Count,
  rows: Count,
  slices: Count,
  type: VoxelType,
  /** steps of one column, one row, one slice */
  spaceDirections: z.tuple([Vec3, Vec3, Vec3]),
  /** centre of the first voxel */
  origin: Vec3,
  slope: z.number(),
  intercept: z.number(),
  /** of the value after rescale, such as HU; absent when not known */
  units: z
    .string()
    .regex(/^[A-Z0-9]{1,16}$/)
    .optional(),
  modality: z.string().regex(/^[A-Z0-9]{1,16}$/),
  /** true for MONOCHROME1: the lowest value is meant to be shown white; voxels are as stored all the same */
  inverted: z.literal(true).optional(),
  /**
   * where it lies in the patient is not known (an X-ray, a photograph): its axes are those of the image, from its first voxel on,
   * in mm, or in pixels where their size is not known either
   */
  unplaced: z.enum(['mm', 'pixels']).optional(),
  /** true where a lossy compression went over the pixels once */
  lossy: z.literal(true).optional(),
  /** only where slices are not evenly spaced, which somebody allowed: mm of each from the first, along spaceDirections[2], whose length is the mean step */
  slicePositions: z.array(z.number()).optional(),
})
export type Volume = z.infer<typeof Volume>

/** What the volumes of a set are counted along. */
export const AxisName = z.enum(['time', 'echo', 'diffusion', 'phase', 'frame'])
export type AxisName = z.infer<typeof AxisName>

/** Of the values along such an axis. */
export const AxisUnit = z.enum(['ms', 's', 's/mm2', 'degree'])
export type AxisUnit = z.infer<typeof AxisUnit>

/** The fourth axis of a file that holds a whole set. */
export const SeriesAxis = z.object({
  name: AxisName,
  /** of `values`; absent where they only count */
  unit: AxisUnit.optional(),
  /** one for each volume, in order */
  values: z.array(z.number()).min(1),
})
export type SeriesAxis = z.infer<typeof SeriesAxis>

/** What formats without a field for slice positions say in their field for text, so that no mean step passes for an even one. */
export const UNEVEN_TEXT = 'slices are not evenly spaced; their step is the mean'

export function sliceBytes(volume: Volume): number {
  return volume.columns * volume.rows * VOXEL_BYTES[volume.type]
}

export function voxelBytes(volume: Volume): number {
  return sliceBytes(volume) * volume.slices
}

/** Distance in mm between neighbouring columns, rows, slices. */
export function spacing(volume: Volume): Vec3 {
  const [column, row, slice] = volume.spaceDirections
  return [Math.hypot(...column), Math.hypot(...row), Math.hypot(...slice)]
}

/** How far the axes are from right angles: the greatest cosine between two of them, 0 where there is no shear. */
export function shear({ spaceDirections }: Volume): number {
  const [x, y, z] = spaceDirections
  return Math.max(cosine(x, y), cosine(x, z), cosine(y, z))
}

function cosine(a: Vec3, b: Vec3): number {
  return Math.abs(a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / (Math.hypot(...a) * Math.hypot(...b))
}

/**
 * The volume made of slices `first` to `last`, counted from 0, both included: the origin moves, and where slices are unevenly
 * spaced the mean step is that of the part.
 *
 * @throws MDM_RANGE when they are not slices of the volume
 */
export function sliceRange(volume: Volume, [first, last]: readonly [number, number]): Volume {
  if (
    !Number.isInteger(first) ||
    !Number.isInteger(last) ||
    first < 0 ||
    last < first ||
    last >= volume.slices
  ) {
    throw new MdmError('MDM_RANGE', `slices ${first}-${last} are not in 0-${volume.slices - 1}`)
  }
  const step = volume.spaceDirections[2]
  const origin: Vec3 = [0, 0, 0]
  const positions = volume.slicePositions?.slice(first, last + 1)
  const steps = positions === undefined ? first : positions[0]! / Math.hypot(...step)
  for (const axis of [0, 1, 2] as const) origin[axis] = volume.origin[axis] + steps * step[axis] + 0
  const part = { ...volume, slices: last - first + 1, origin }
  return positions === undefined ? part : unevenPart(part, positions)
}

const EVEN_MM = 1e-6

/** The part with its own positions and mean step. @param positions mm of its slices from the first of the whole volume */
function unevenPart({ slicePositions: _, ...part }: Volume, positions: readonly number[]): Volume {
  if (positions.length === 1) return part
  const [column, row, slice] = part.spaceDirections
  const fromFirst = positions.map((mm) => mm - positions[0]!)
  const mean = fromFirst.at(-1)! / (positions.length - 1)
  const scale = mean / Math.hypot(...slice)
  const spaceDirections: Volume['spaceDirections'] = [column, row, slice.map((mm) => mm * scale + 0) as Vec3]
  const isEven = fromFirst.every((mm, k) => Math.abs(mm - k * mean) <= EVEN_MM)
  return { ...part, spaceDirections, ...(isEven ? {} : { slicePositions: fromFirst }) }
}

/**
 * Where slice `k` (from 0) lies in the NRRD plaintext.
 *
 * @param headerBytes length of the NRRD header
 * @returns byte offsets, end exclusive
 * @throws MDM_RANGE
 */
export function sliceSpan(volume: Volume, headerBytes: number, k: number): { start: number; end: number } {
  if (!Number.isInteger(k) || k < 0 || k >= volume.slices) {
    throw new MdmError('MDM_RANGE', `slice ${k} is not in 0-${volume.slices - 1}`)
  }
  const start = headerBytes + k * sliceBytes(volume)
  return { start, end: start + sliceBytes(volume) }
}
