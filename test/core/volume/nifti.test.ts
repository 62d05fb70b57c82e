import { niftiHeader } from '@mdm/core/volume/formats/nifti'
import type { SeriesAxis, Vec3, Volume } from '@mdm/core/volume/volume'
import t from 'tap'
import { PLAIN } from './volumes.ts'

const floats = (header: Buffer, at: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => header.readFloatLE(at + 4 * i))

t.test('the fields of an axial volume, by the offsets of nifti1.h', async (t) => {
  const header = niftiHeader({ ...PLAIN, slope: 0.5, intercept: -3 })
  t.equal(header.length, 352)
  t.equal(header.readInt32LE(0), 348)
  t.same(
    Array.from({ length: 8 }, (_, i) => header.readInt16LE(40 + 2 * i)),
    [3, 3, 2, 4, 1, 1, 1, 1],
  )
  t.equal(header.readFloatLE(108), 352)
  t.same([header.readFloatLE(112), header.readFloatLE(116)], [0.5, -3])
  t.equal(header[123], 2, 'mm')
  t.equal(header.toString('latin1', 344, 348), 'n+1\0')
  t.same(floats(header, 280, 12), [-2, 0, 0, -10, 0, -3, 0, -20, 0, 0, 4, 30], 'LPS turned to RAS')
  t.same(floats(header, 76, 4), [1, 2, 3, 4])
  t.same([header.readInt16LE(252), header.readInt16LE(254)], [1, 1])
})

t.test('nothing is written into the free text fields', async (t) => {
  const header = niftiHeader(PLAIN)
  t.ok(
    header.subarray(148, 252).every((byte) => byte === 0),
    'descrip and aux_file',
  )
  t.ok(
    header.subarray(328, 344).every((byte) => byte === 0),
    'intent_name',
  )
  t.ok(
    header.subarray(4, 38).every((byte) => byte === 0),
    'data_type and db_name',
  )
})

t.test('a mean step does not pass for an even one: descrip says so, in words of our own', async (t) => {
  const header = niftiHeader({ ...PLAIN, slicePositions: [0, 4, 5, 12] })
  t.equal(
    header.toString('latin1', 148, 228).replace(/\0+$/, ''),
    'slices are not evenly spaced; their step is the mean',
  )
  const same = Buffer.from(header).fill(0, 148, 228)
  t.ok(same.equals(niftiHeader(PLAIN)), 'and nothing else differs')
})

t.test('each voxel type has its datatype and bitpix', async (t) => {
  const types = {
    uint8: [2, 8],
    int16: [4, 16],
    int32: [8, 32],
    int8: [256, 8],
    uint16: [512, 16],
    uint32: [768, 32],
    float32: [16, 32],
    float64: [64, 64],
    rgb24: [128, 24],
  }
  for (const [type, expected] of Object.entries(types)) {
    const header = niftiHeader({ ...PLAIN, type: type as Volume['type'] })
    t.same([header.readInt16LE(70), header.readInt16LE(72)], expected, type)
  }
})

t.test('the quaternion says the same as the matrix, for rotations of every kind', async (t) => {
  const turns: Vec3[] = [
    [0, 0, 0],
    [Math.PI, 0, 0],
    [0, Math.PI, 0],
    [0, 0, Math.PI],
    [0.3, -1.2, 2.9],
    [3, 3, 3],
    [-2, 0.1, 3.1],
  ]
  for (const turn of turns) {
    for (const handed of [1, -1]) {
      const [x, y, z] = rotation(turn)
      const volume: Volume = { ...PLAIN, spaceDirections: [times(x, 2), times(y, 3), times(z, 4 * handed)] }
      const header = niftiHeader(volume)
      t.equal(header.readInt16LE(252), 1)
      const off = difference(fromQuaternion(header), floats(header, 280, 12))
      t.ok(off < 1e-5, `${turn} ${handed}: off by ${off}`)
    }
  }
})

const leaning = (mm: number): Volume => ({
  ...PLAIN,
  spaceDirections: [
    [2, 0, 0],
    [0, 3, 0],
    [0, mm, 4],
  ],
})

t.test('a sheared stack has a matrix and no quaternion', async (t) => {
  const header = niftiHeader(leaning(1))
  t.same([header.readInt16LE(252), header.readInt16LE(254)], [0, 1])
  t.same(floats(header, 256, 6), [0, 0, 0, 0, 0, 0])
  t.same(floats(header, 280, 12), [-2, 0, 0, -10, 0, -3, -1, -20, 0, 0, 4, 30])
})

t.test('a lean of less than 0.1 mm keeps the quaternion, and the matrix as it is', async (t) => {
  const header = niftiHeader(leaning(0.01))
  t.same([header.readInt16LE(252), header.readInt16LE(254)], [1, 1])
  t.ok(difference(fromQuaternion(header), floats(header, 280, 12)) < 0.02)
  t.equal(header.readFloatLE(280 + 4 * 6), Math.fround(-0.01))
  t.equal(niftiHeader(leaning(0.034)).readInt16LE(252), 0, 'three steps of it are more')
  t.equal(niftiHeader({ ...leaning(0.034), slices: 3 }).readInt16LE(252), 1, 'two are not')
})

t.test('only integers have a scale; a float with one keeps it', async (t) => {
  const scale = (volume: Volume) => floats(niftiHeader(volume), 112, 2)
  t.same(scale({ ...PLAIN, type: 'float32' }), [0, 0])
  t.same(scale({ ...PLAIN, type: 'float64', slope: 2 }), [2, 0])
  t.same(scale({ ...PLAIN, type: 'rgb24' }), [0, 0])
  t.same(scale({ ...PLAIN, type: 'int32' }), [1, 0])
})

t.test('a set of volumes is a fourth dimension, with the step where it is an even one of time', async (t) => {
  const told = (axis: SeriesAxis) => {
    const header = niftiHeader(PLAIN, axis)
    const dim = Array.from({ length: 5 }, (_, i) => header.readInt16LE(40 + 2 * i))
    return [dim, header.readFloatLE(92), header[123]]
  }
  const dim = [4, 3, 2, 4, 3]
  t.same(told({ name: 'time', unit: 's', values: [10, 12.5, 15] }), [dim, 2.5, 2 + 8])
  t.same(told({ name: 'time', unit: 'ms', values: [0, 2000.5, 4000] }), [dim, 2000, 2 + 16], 'rounded times')
  t.same(told({ name: 'time', unit: 'ms', values: [0, 2000, 5000] }), [dim, 1, 2], 'uneven')
  t.same(told({ name: 'time', values: [1, 2, 3] }), [dim, 1, 2], 'only counted')
  t.same(told({ name: 'echo', unit: 'ms', values: [5, 10, 15] }), [dim, 1, 2], 'no time axis')
  t.throws(() => niftiHeader(PLAIN, { name: 'frame', values: Array.from({ length: 32_768 }, (_, i) => i) }), {
    code: 'MDM_USAGE',
  })
})

t.test('an axis that NIfTI-1 cannot say is MDM_USAGE', async (t) => {
  t.equal(niftiHeader({ ...PLAIN, columns: 32_767 }).readInt16LE(42), 32_767)
  t.throws(() => niftiHeader({ ...PLAIN, columns: 32_768 }), { code: 'MDM_USAGE' })
})

function times(v: Vec3, by: number): Vec3 {
  return [v[0] * by, v[1] * by, v[2] * by]
}

/** Columns of Rz * Ry * Rx. */
function rotation([a, b, c]: Vec3): [Vec3, Vec3, Vec3] {
  const [sa, ca, sb, cb, sc, cc] = [
    Math.sin(a),
    Math.cos(a),
    Math.sin(b),
    Math.cos(b),
    Math.sin(c),
    Math.cos(c),
  ]
  return [
    [cb * cc, cb * sc, -sb],
    [sa * sb * cc - ca * sc, sa * sb * sc + ca * cc, sa * cb],
    [ca * sb * cc + sa * sc, ca * sb * sc - sa * cc, ca * cb],
  ]
}

/** Method 2 of nifti1.h, written from its comment. */
function fromQuaternion(header: Buffer): number[] {
  const [qfac, dx, dy, dz] = floats(header, 76, 4) as [number, number, number, number]
  const [b, c, d, x, y, z] = floats(header, 256, 6) as [number, number, number, number, number, number]
  const a = Math.sqrt(Math.max(0, 1 - (b * b + c * c + d * d)))
  const r = [
    [a * a + b * b - c * c - d * d, 2 * b * c - 2 * a * d, 2 * b * d + 2 * a * c],
    [2 * b * c + 2 * a * d, a * a + c * c - b * b - d * d, 2 * c * d - 2 * a * b],
    [2 * b * d - 2 * a * c, 2 * c * d + 2 * a * b, a * a + d * d - c * c - b * b],
  ]
  return r.flatMap((row, i) => [row[0]! * dx, row[1]! * dy, row[2]! * dz * qfac, [x, y, z][i]!])
}

function difference(a: number[], b: number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))
}
