import { MdmError } from '../../errors.ts'
import { spacing, VOXEL_BYTES, type Vec3, type Volume, type VoxelType } from '../volume.ts'

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
const SCANNER = 1

/**
 * The NIfTI-1 header of a volume (single file, little endian, no extension); voxels follow as in the NRRD, column index
 * fastest. World coordinates are RAS, so the first two rows of the LPS matrix change sign.
 *
 * @returns 352 bytes
 * @throws MDM_USAGE when an axis is longer than NIfTI-1 can say
 * @see docs/formats/volume.md; https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
 */
export function niftiHeader(volume: Volume): Buffer {
  if (Math.max(volume.columns, volume.rows, volume.slices) > MAX_AXIS) {
    throw new MdmError('MDM_USAGE', `NIfTI-1 holds at most ${MAX_AXIS} voxels along an axis; ask for nrrd`)
  }
  const header = Buffer.alloc(HEADER_BYTES)
  const matrix = rasMatrix(volume)
  const steps = spacing(volume)
  header.writeInt32LE(348, 0)
  header.write('r', 38, 'latin1')
  writeAll([3, volume.columns, volume.rows, volume.slices, 1, 1, 1, 1], 40, 2, (v, at) =>
    header.writeInt16LE(v, at),
  )
  header.writeInt16LE(DATATYPES[volume.type], 70)
  header.writeInt16LE(VOXEL_BYTES[volume.type] * 8, 72)
  const quaternion = quaternionOf(matrix, steps)
  writeAll([quaternion?.qfac ?? 1, ...steps], 76, 4, (v, at) => header.writeFloatLE(v, at))
  header.writeFloatLE(HEADER_BYTES, 108)
  header.writeFloatLE(volume.slope, 112)
  header.writeFloatLE(volume.intercept, 116)
  header.writeUInt8(MILLIMETRES, 123)
  header.writeInt16LE(quaternion === undefined ? 0 : SCANNER, 252)
  header.writeInt16LE(SCANNER, 254)
  const offsets = matrix.map((row) => row[3])
  if (quaternion) writeAll([...quaternion.bcd, ...offsets], 256, 4, (v, at) => header.writeFloatLE(v, at))
  writeAll(matrix.flat(), 280, 4, (v, at) => header.writeFloatLE(v, at))
  header.write('n+1\0', 344, 'latin1')
  return header
}

function writeAll(
  values: readonly number[],
  start: number,
  step: number,
  write: (v: number, at: number) => void,
): void {
  values.forEach((value, i) => write(value, start + i * step))
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
 * The rotation as a quaternion, which cannot say shear: undefined unless the axes are orthogonal within the precision
 * of the float32 it is stored in (1e-6).
 */
function quaternionOf(matrix: [Row, Row, Row], steps: Vec3): { bcd: Vec3; qfac: 1 | -1 } | undefined {
  const axes = ([0, 1, 2] as const).map((c) => matrix.map((row) => row[c] / steps[c]) as Vec3) as [
    Vec3,
    Vec3,
    Vec3,
  ]
  const [x, y, z] = axes
  if (Math.max(Math.abs(dot(x, y)), Math.abs(dot(x, z)), Math.abs(dot(y, z))) > 1e-6) return undefined
  const normal: Vec3 = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
  return { bcd: rotation(x, y, normal), qfac: dot(normal, z) < 0 ? -1 : 1 }
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
