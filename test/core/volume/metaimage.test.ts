import { convert, metaimageHeader } from '@mdm/core/volume/formats/index'
import { nrrdHeader } from '@mdm/core/volume/formats/nrrd'
import { sliceRange, type Volume } from '@mdm/core/volume/volume'
import t from 'tap'
import { AWKWARD, PLAIN } from './volumes.ts'

/** The fields and the voxels of a .mha, by the MetaIO documentation alone. */
function read(file: Buffer): { fields: Record<string, string>; voxels: Buffer } {
  const last = 'ElementDataFile = LOCAL\n'
  const end = file.indexOf(last) + last.length
  const lines = file.subarray(0, end).toString('latin1').trimEnd().split('\n')
  const fields = Object.fromEntries(
    lines.map((line) => line.split(' = ') as [string, string]).map(([name, value]) => [name, value]),
  )
  return { fields, voxels: file.subarray(end) }
}

async function written(
  volume: Volume,
  voxels: Buffer,
  o: { size?: number; slices?: readonly [number, number] } = {},
) {
  const size = o.size ?? 7
  const plaintext = o.slices === undefined ? Buffer.concat([nrrdHeader(volume), voxels]) : voxels
  const pieces = (async function* () {
    for (let at = 0; at < plaintext.length; at += size) yield plaintext.subarray(at, at + size)
  })()
  const out: Buffer[] = []
  const known = o.slices === undefined ? {} : { volume, slices: o.slices }
  for await (const piece of convert('metaimage', pieces, known)) out.push(piece)
  return read(Buffer.concat(out))
}

const bytes = Buffer.from(Array.from({ length: 48 }, (_, i) => i * 5))

t.test('a volume without rescale keeps its voxels, and its place in LPS', async (t) => {
  const { fields, voxels } = await written(PLAIN, bytes)
  t.same(fields, {
    ObjectType: 'Image',
    NDims: '3',
    BinaryData: 'True',
    BinaryDataByteOrderMSB: 'False',
    CompressedData: 'False',
    TransformMatrix: '1 0 0 0 1 0 0 0 1',
    Offset: '10 20 30',
    CenterOfRotation: '0 0 0',
    AnatomicalOrientation: 'RAI',
    ElementSpacing: '2 3 4',
    DimSize: '3 2 4',
    ElementType: 'MET_USHORT',
    ElementDataFile: 'LOCAL',
  })
  t.ok(voxels.equals(bytes))
})

t.test('each voxel type has its element type', async (t) => {
  const types = {
    int8: 'MET_CHAR',
    uint8: 'MET_UCHAR',
    int16: 'MET_SHORT',
    uint16: 'MET_USHORT',
    int32: 'MET_INT',
    uint32: 'MET_UINT',
    float32: 'MET_FLOAT',
    float64: 'MET_DOUBLE',
  }
  for (const [type, name] of Object.entries(types))
    t.equal(read(metaimageHeader({ ...PLAIN, type: type as Volume['type'] })).fields['ElementType'], name)
})

t.test('colours are three channels of bytes, whatever the rescale', async (t) => {
  const colour: Volume = { ...PLAIN, columns: 2, rows: 2, slices: 4, type: 'rgb24', slope: 2 }
  const { fields, voxels } = await written(colour, bytes)
  t.equal(fields['ElementNumberOfChannels'], '3')
  t.equal(fields['ElementType'], 'MET_UCHAR')
  t.ok(voxels.equals(bytes))
})

t.test('a mean step does not pass for an even one: a comment says so', async (t) => {
  const { fields } = read(metaimageHeader({ ...PLAIN, slicePositions: [0, 4, 5, 12] }))
  t.equal(fields['Comment'], 'slices are not evenly spaced; their step is the mean')
  t.notOk('Comment' in read(metaimageHeader(PLAIN)).fields)
})

t.test('a tilted stack is refused, and a set of volumes: the message names who can hold them', async (t) => {
  const tilted: Volume = { ...PLAIN, spaceDirections: [[2, 0, 0], [0, 3, 0], [0, 0.06, 4]] } // prettier-ignore
  const refused = { code: 'MDM_USAGE', message: /nrrd, nifti or nifti-gz/ }
  t.throws(() => metaimageHeader(tilted), refused)
  t.throws(() => metaimageHeader(PLAIN, { name: 'echo', unit: 'ms', values: [5, 10] }), refused)
  await t.rejects(written(tilted, bytes), refused, 'before any output')
})

t.test('rescaled voxels are written as the values they mean, wherever the pieces are cut', async (t) => {
  const ct: Volume = { ...PLAIN, type: 'int16', slope: 1, intercept: -1024 }
  const stored = [-2000, -1, 0, 1, 1024, 3071, ...Array.from({ length: 18 }, (_, i) => i * 100)]
  const plain = Buffer.from(Int16Array.from(stored).buffer)
  for (const size of [1, 2, 3, 7, 48, 1000]) {
    const { fields, voxels } = await written(ct, plain, { size })
    t.equal(fields['ElementType'], 'MET_FLOAT')
    t.same(
      stored.map((_, i) => voxels.readFloatLE(4 * i)),
      stored.map((v) => v - 1024),
      `pieces of ${size}`,
    )
    t.equal(voxels.length, 4 * stored.length)
  }
})

t.test('every 16-bit value under an integer rescale is exact; a fraction is the nearest float', async (t) => {
  const all: Volume = { ...PLAIN, columns: 256, rows: 256, slices: 1, type: 'uint16' }
  const plain = Buffer.from(Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer)
  for (const [slope, intercept] of [
    [2, -8192],
    [0.061238342, -1024],
    [-1, 0],
  ] as const) {
    const { voxels } = await written({ ...all, slope, intercept }, plain, { size: 4099 })
    const off = Array.from({ length: 65_536 }, (_, i) => i).filter(
      (i) => voxels.readFloatLE(4 * i) !== Math.fround(i * slope + intercept),
    )
    t.same(off, [], `slope ${slope}`)
  }
})

t.test('rescaled 32-bit voxels are doubles, since a float could not tell neighbours apart', async (t) => {
  const wide: Volume = { ...PLAIN, columns: 2, rows: 1, slices: 1, type: 'uint32', slope: 1, intercept: -1 }
  const { fields, voxels } = await written(
    wide,
    Buffer.from(Uint32Array.from([4_294_967_295, 16_777_218]).buffer),
    { size: 3 },
  )
  t.equal(fields['ElementType'], 'MET_DOUBLE')
  t.same([voxels.readDoubleLE(0), voxels.readDoubleLE(8)], [4_294_967_294, 16_777_217])
})

t.test('8-bit voxels keep their sign', async (t) => {
  const narrow: Volume = { ...PLAIN, columns: 2, rows: 1, slices: 1, slope: 1, intercept: 1 }
  const values = async (type: 'int8' | 'uint8') => {
    const { voxels } = await written({ ...narrow, type }, Buffer.from([0xff, 0x80]))
    return [voxels.readFloatLE(0), voxels.readFloatLE(4)]
  }
  t.same(await values('int8'), [0, -127])
  t.same(await values('uint8'), [256, 129])
})

t.test('slices are a volume of their own', async (t) => {
  const { fields, voxels } = await written(PLAIN, bytes.subarray(12, 36), { slices: [1, 2] })
  t.equal(fields['DimSize'], '3 2 2')
  t.equal(fields['Offset'], sliceRange(PLAIN, [1, 2]).origin.join(' '))
  t.ok(voxels.equals(bytes.subarray(12, 36)))
})

t.test('numbers read back exactly: each axis of the matrix times its spacing is the step', async (t) => {
  const { fields } = read(
    metaimageHeader({ ...AWKWARD, spaceDirections: OBLIQUE, origin: [-1 / 3, 1e-7, 5e21] }),
  )
  t.same(fields['Offset']!.split(' ').map(Number), [-1 / 3, 1e-7, 5e21])
  const matrix = fields['TransformMatrix']!.split(' ').map(Number)
  const steps = fields['ElementSpacing']!.split(' ').map(Number)
  for (const [axis, step] of OBLIQUE.entries()) {
    const told = matrix.slice(3 * axis, 3 * axis + 3).map((x) => x * steps[axis]!)
    t.ok(Math.max(...told.map((x, i) => Math.abs(x - step[i]!))) < 1e-14, `axis ${axis}`)
  }
})

const OBLIQUE: Volume['spaceDirections'] = [
  [0.3, 0.9, -0.1],
  [0.02, -0.11, -0.93],
  [-5.888, 1.939, -0.356],
]

t.test('the orientation names where each axis comes from, no direction twice', async (t) => {
  const told = (spaceDirections: Volume['spaceDirections']) =>
    read(metaimageHeader({ ...PLAIN, spaceDirections })).fields['AnatomicalOrientation']
  t.equal(told([[-1, 0, 0], [0, -1, 0], [0, 0, 1]]), 'LPI', 'turned by half') // prettier-ignore
  t.equal(told([[0, 1, 0], [0, 0, -1], [1, 0, 0]]), 'ASR', 'sagittal') // prettier-ignore
  t.equal(told([[1, 0, 0], [0, 0, -1], [0, 1, 0]]), 'RSA', 'coronal') // prettier-ignore
  t.equal(told([[0.8, 0.6, 0], [0.6, -0.8, 0], [0, 0, 1]]), 'RPI', 'two axes between two directions') // prettier-ignore
  t.equal(told(OBLIQUE), 'ASL')
})

t.test(
  'the header is a closed list: equal volumes have equal bytes, and nothing is named in it',
  async (t) => {
    t.ok(metaimageHeader(PLAIN).equals(metaimageHeader({ ...PLAIN })))
    t.same(
      metaimageHeader({ ...PLAIN, units: 'HU', modality: 'CT', inverted: true }),
      metaimageHeader(PLAIN),
      'what MetaImage has no field for stays out',
    )
  },
)
