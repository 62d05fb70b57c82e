import { MdmError } from '../../errors.ts'
import { spacing, UNEVEN_TEXT, VOXEL_BYTES, type SeriesAxis } from '../volume.ts'
import type { Vec3, Volume, VoxelType } from '../volume.ts'

const DATATYPES: Readonly<Record<VoxelType, number>> = {
  uint8: 2,
  int16: 4,
  int32: 8,
  int8: 256,
  uint16: 512,
  uint32: 768,
  float32: 16,
  float64: 64,
  rgb24: 128,
}
const HEADER_BYTES = 352
const MAX_AXIS = 32_767
const MILLIMETRES = 2
const TIME_UNITS = { s: 8, ms: 16 } as const
const SCANNER = 1
/** A quaternion cannot say shear: there is none where the rotation nearest to it would put a voxel further off than this. */
const MAX_DRIFT_MM = 0.1
/** Points in time this near to evenly spaced, as a part of their step, are. */
const EVEN = 1e-3

/**
 * The NIfTI-1 header of a volume (single file, little endian, no extension); voxels follow as in the NRRD, column index
 * fastest. World coordinates are RAS, so the first two rows of the LPS matrix change sign.
 *
 * @param axis where the volumes of a set follow each other: `dim[4]`, whose step is told where it is an even one of time
 * @returns 352 bytes
 * @throws MDM_USAGE when an axis is longer than NIfTI-1 can say
 * @see docs/formats/volume.md; https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
 */
export function niftiHeader(volume: Volume, axis?: SeriesAxis): Buffer {
  const count = axis?.values.length ?? 1
  if (Math.max(volume.columns, volume.rows, volume.slices, count) > MAX_AXIS) {
    throw new MdmError('MDM_USAGE', `NIfTI-1 holds at most ${MAX_AXIS} voxels along an axis; ask for nrrd`)
  }
  const header = Buffer.alloc(HEADER_BYTES)
  const floats = (values: readonly number[], at: number) =>
    values.forEach((value, i) => header.writeFloatLE(value, at + i * 4))
  const matrix = rasMatrix(volume)
  const steps = spacing(volume)
  const time = timeStep(axis)
  const isPlaced = volume.unplaced === undefined
  const quaternion = isPlaced ? quaternionOf(volume, matrix) : undefined
  header.writeInt32LE(348, 0)
  header.write('r', 38, 'latin1')
  const dim = [axis === undefined ? 3 : 4, volume.columns, volume.rows, volume.slices, count, 1, 1, 1]
  dim.forEach((value, i) => header.writeInt16LE(value, 40 + i * 2))
  header.writeInt16LE(DATATYPES[volume.type], 70)
  header.writeInt16LE(VOXEL_BYTES[volume.type] * 8, 72)
  floats([quaternion?.qfac ?? 1, ...steps, ...(axis === undefined ? [] : [time?.step ?? 1])], 76)
  floats([HEADER_BYTES, ...scaling(volume)], 108)
  header.writeUInt8(
    (volume.unplaced === 'pixels' ? 0 : MILLIMETRES) + (time === undefined ? 0 : TIME_UNITS[time.unit]),
    123,
  )
  if (volume.slicePositions !== undefined) header.write(UNEVEN_TEXT, 148, 'latin1')
  header.writeInt16LE(quaternion === undefined ? 0 : SCANNER, 252)
  header.writeInt16LE(isPlaced ? SCANNER : 0, 254)
  if (quaternion) floats([...quaternion.bcd, ...matrix.map((row) => row[3])], 256)
  if (isPlaced) floats(matrix.flat(), 280)
  header.write('n+1\0', 344, 'latin1')
  return header
}

/** scl_slope and scl_inter: 0 says that there is none, as for colours and for numbers that are the values already. */
function scaling({ type, slope, intercept }: Volume): [number, number] {
  const isValue = type.startsWith('float') && slope === 1 && intercept === 0
  return type === 'rgb24' || isValue ? [0, 0] : [slope, intercept]
}

/** The step from volume to volume where the axis is of time and the steps are even. */
function timeStep(axis: SeriesAxis | undefined): { step: number; unit: 's' | 'ms' } | undefined {
  const { name, unit, values } = axis ?? {}
  if (name !== 'time' || values === undefined || values.length < 2) return undefined
  if (unit !== 's' && unit !== 'ms') return undefined
  const step = (values.at(-1)! - values[0]!) / (values.length - 1)
  const isEven = values.every((at, i) => Math.abs(at - values[0]! - i * step) <= EVEN * step)
  return step > 0 && isEven ? { step, unit } : undefined
}

type Row = [number, number, number, number]

/** Voxel index (i, j, k, 1) to RAS mm, three rows. */
function rasMatrix({ spaceDirections: [column, row, slice], origin }: Volume): [Row, Row, Row] {
  const line = (axis: 0 | 1 | 2, sign: 1 | -1): Row => [
    sign * column[axis] + 0,
    sign * row[axis] + 0,
    sign * slice[axis] + 0,
    sign * origin[axis] + 0,
  ]
  return [line(0, -1), line(1, -1), line(2, 1)]
}

/**
 * The nearest rotation as a quaternion, and whether the third axis is turned round; undefined where that is another place than
 * the matrix says. Small leans come from rounded headers, and ITK reads none that has no quaternion.
 */
function quaternionOf(volume: Volume, matrix: [Row, Row, Row]): { bcd: Vec3; qfac: 1 | -1 } | undefined {
  const steps = spacing(volume)
  const axis = (c: 0 | 1 | 2) => matrix.map((row) => row[c] / steps[c]) as Vec3
  const [x, y, z] = [axis(0), axis(1), axis(2)]
  const normal = unit(cross(x, y))
  const upright = cross(normal, x)
  const qfac = dot(normal, z) < 0 ? -1 : 1
  const leanOfRows = Math.hypot(...difference(y, upright, 1)) * steps[1] * (volume.rows - 1)
  const leanOfSlices = Math.hypot(...difference(z, normal, qfac)) * steps[2] * (volume.slices - 1)
  return leanOfRows + leanOfSlices > MAX_DRIFT_MM ? undefined : { bcd: rotation(x, upright, normal), qfac }
}

function cross(a: Vec3, b: Vec3): Vec3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

function unit(v: Vec3): Vec3 {
  return v.map((part) => part / Math.hypot(...v)) as Vec3
}

function difference(a: Vec3, b: Vec3, sign: 1 | -1): Vec3 {
  return [a[0] - sign * b[0], a[1] - sign * b[1], a[2] - sign * b[2]]
}

/** b, c, d of the unit quaternion (a >= 0) of the rotation whose columns are x, y, z. */
function rotation(x: Vec3, y: Vec3, z: Vec3): Vec3 {
  const square = (s: number): number => Math.sqrt(Math.max(0, 1 + s)) / 2
  const a = square(x[0] + y[1] + z[2])
  if (a > 0.25) return [(y[2] - z[1]) / (4 * a), (z[0] - x[2]) / (4 * a), (x[1] - y[0]) / (4 * a)]
  const b = square(x[0] - y[1] - z[2])
  const c = square(y[1] - x[0] - z[2])
  const d = square(z[2] - x[0] - y[1])
  let found: Vec3
  let w: number
  if (b >= c && b >= d) {
    found = [b, (x[1] + y[0]) / (4 * b), (x[2] + z[0]) / (4 * b)]
    w = y[2] - z[1]
  } else if (c >= d) {
    found = [(x[1] + y[0]) / (4 * c), c, (y[2] + z[1]) / (4 * c)]
    w = z[0] - x[2]
  } else {
    found = [(x[2] + z[0]) / (4 * d), (y[2] + z[1]) / (4 * d), d]
    w = x[1] - y[0]
  }
  return w < 0 ? [-found[0], -found[1], -found[2]] : found
}

function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
