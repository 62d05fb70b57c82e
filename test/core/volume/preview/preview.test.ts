import { createHash } from 'node:crypto'
import { previewOf, type Preview, type PreviewOptions } from '@mdm/core/volume/preview/preview'
import { windowOf } from '@mdm/core/volume/preview/window'
import { VOXEL_BYTES, voxelBytes, type Vec3, type Volume } from '@mdm/core/volume/volume'
import t from 'tap'
import { ORIENTATIONS, sampleVolume } from '../samples.ts'
import { PLAIN } from '../volumes.ts'

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Float voxels whose value is told of each index and place (LPS). */
function field(volume: Volume, value: (place: Vec3, index: Vec3) => number): Buffer {
  const voxels = Buffer.alloc(voxelBytes(volume))
  const [d0, d1, d2] = volume.spaceDirections
  let at = 0
  for (let k = 0; k < volume.slices; k++)
    for (let j = 0; j < volume.rows; j++)
      for (let i = 0; i < volume.columns; i++, at += VOXEL_BYTES[volume.type]) {
        const place = ([0, 1, 2] as const).map(
          (a) => volume.origin[a] + i * d0[a] + j * d1[a] + k * d2[a],
        ) as Vec3
        voxels.writeFloatLE(value(place, [i, j, k]), at)
      }
  return voxels
}

const draw = (volume: Volume, voxels: Buffer, o?: PreviewOptions, size = 1000): Promise<Preview> =>
  previewOf(volume, pieces(voxels, size), o)

/** First and last pixel along the middle of one view, across and down. */
function ends(
  { picture, views }: Preview,
  plane: string,
): { left: number; right: number; top: number; bottom: number } {
  const view = views.find((v) => v.plane === plane)!
  const at = (x: number, y: number) => picture.data[(view.top + y) * picture.width + view.left + x]!
  const [x, y] = [Math.floor(view.width / 2), Math.floor(view.height / 2)]
  return { left: at(0, y), right: at(view.width - 1, y), top: at(x, 0), bottom: at(x, view.height - 1) }
}

t.test(
  'however a stack lies: the left of the patient is right, the back below or right, the head above',
  async (t) => {
    for (const orientation of Object.keys(ORIENTATIONS).filter((name) => name !== 'oblique')) {
      const volume = sampleVolume(orientation, { type: 'float32', columns: 9, rows: 8, slices: 7 })
      const [left, back, head] = await Promise.all(
        ([0, 1, 2] as const).map((axis) =>
          draw(
            volume,
            field(volume, (place) => place[axis]),
          ),
        ),
      )
      const [axial, coronal, sagittal] = [
        ends(left!, 'axial'),
        ends(left!, 'coronal'),
        ends(back!, 'sagittal'),
      ]
      t.ok(axial.left < axial.right, `${orientation}: left at the right of the axial slice`)
      t.ok(coronal.left < coronal.right, `${orientation}: and of the coronal one`)
      t.ok(sagittal.left < sagittal.right, `${orientation}: back at the right of the sagittal slice`)
      t.ok(
        ends(back!, 'axial').top < ends(back!, 'axial').bottom,
        `${orientation}: back below in the axial slice`,
      )
      for (const plane of ['coronal', 'sagittal'])
        t.ok(
          ends(head!, plane).top > ends(head!, plane).bottom,
          `${orientation}: head above in the ${plane} slice`,
        )
    }
  },
)

t.test('each slice is as wide and high as the body it shows', async (t) => {
  const volume = sampleVolume('axial', { type: 'float32', columns: 100, rows: 50, slices: 16 })
  const { picture, views } = await draw(
    volume,
    field(volume, ([x]) => x),
    { pixels: 280 },
  )
  t.same(views, [
    { plane: 'axial', left: 0, top: 0, width: 280, height: 160 },
    { plane: 'coronal', left: 288, top: 0, width: 280, height: 160 },
    { plane: 'sagittal', left: 576, top: 0, width: 160, height: 160 },
  ])
  t.same([picture.width, picture.height, picture.channels], [736, 160, 1])
})

t.test('the slices go through the middle', async (t) => {
  const volume = sampleVolume('axial', { type: 'float32', columns: 9, rows: 9, slices: 9 })
  for (const [axis, plane] of [
    [2, 'axial'],
    [1, 'coronal'],
    [0, 'sagittal'],
  ] as const) {
    const { picture, views } = await draw(
      volume,
      field(volume, (_, index) => (index[axis] === 4 ? 1 : 0)),
    )
    const view = views.find((v) => v.plane === plane)!
    const lit = Array.from({ length: view.height }, (_, y) =>
      picture.data.subarray(
        (view.top + y) * picture.width + view.left,
        (view.top + y) * picture.width + view.left + view.width,
      ),
    )
    t.ok(
      lit.every((line) => line.every((pixel) => pixel === 255)),
      plane,
    )
  }
})

t.test(
  'the picture does not depend on how voxels are cut, nor on what becomes of a piece afterwards',
  async (t) => {
    const volume = sampleVolume('oblique', { type: 'float32', columns: 31, rows: 17, slices: 13 })
    const voxels = field(volume, ([x, y, z]) => Math.sin(x) + y * z)
    const drawn = async (pieces: AsyncIterable<Buffer>) => {
      const { picture, window } = await previewOf(volume, pieces)
      return [createHash('sha256').update(picture.data).digest('hex'), window]
    }
    const whole = await drawn(pieces(voxels, voxels.length))
    for (const size of [7, 123, 124, 4099])
      t.same(await drawn(pieces(voxels, size)), whole, `pieces of ${size}`)
    const reused = (async function* () {
      const buffer = Buffer.alloc(500)
      for (let at = 0; at < voxels.length; at += 500)
        yield buffer.subarray(0, voxels.copy(buffer, 0, at, at + 500))
    })()
    t.same(await drawn(reused), whole, 'a buffer used again')
  },
)

t.test('a large volume is drawn in the same few pixels', async (t) => {
  const volume: Volume = { ...PLAIN, type: 'uint8', columns: 1500, rows: 900, slices: 40 }
  const slice = Buffer.alloc(1500 * 900, 7)
  const stream = (async function* () {
    for (let k = 0; k < 40; k++) yield slice
  })()
  const { picture } = await previewOf(volume, stream)
  t.ok(picture.width <= 3 * 384 + 16 && picture.height <= 384, `${picture.width} x ${picture.height}`)
})

t.test('low values that are meant to be white are; a slope below 0 turns nothing', async (t) => {
  const volume = sampleVolume('axial', { type: 'float32', columns: 50, rows: 50 })
  const voxels = field(volume, ([x]) => x)
  t.ok(ends(await draw({ ...volume, inverted: true }, voxels), 'axial').left > 200)
  t.ok(ends(await draw({ ...volume, slope: -1 }, voxels), 'axial').left > 200)
  t.ok(ends(await draw(volume, voxels), 'axial').left < 50)
})

t.test('colours are shown as they are, without a window', async (t) => {
  const volume: Volume = { ...PLAIN, type: 'rgb24' }
  const voxels = Buffer.alloc(voxelBytes(volume))
  for (let i = 0; i < voxels.length; i += 3) voxels.set([250, 120, 3], i)
  const { picture, window, views } = await draw(volume, voxels)
  t.equal(window, undefined)
  t.equal(picture.channels, 3)
  t.same([...picture.data.subarray(views[0]!.top * picture.width * 3).subarray(0, 3)], [250, 120, 3])
})

t.test('unevenly spaced slices are drawn where they are', async (t) => {
  const volume: Volume = {
    ...sampleVolume('axial', { type: 'float32', columns: 30, rows: 30, slices: 4 }),
    spaceDirections: [[1, 0, 0], [0, 1, 0], [0, 0, 10]], // prettier-ignore
    slicePositions: [0, 5, 10, 30],
  }
  const { picture, views } = await draw(
    volume,
    field(volume, (_, [, , k]) => k),
    { pixels: 400 },
  )
  const view = views.find((v) => v.plane === 'coronal')!
  const column = Array.from(
    { length: view.height },
    (_, y) => picture.data[(view.top + y) * picture.width + view.left]!,
  )
  const thickness = [...new Set(column)].map((shade) => column.filter((pixel) => pixel === shade).length)
  t.same(
    thickness,
    [150, 125, 50, 75],
    'mm times ten, from head to feet: half of each gap and half a step at the ends',
  )
})

t.test('the window leaves out background, outliers and what is no number', async (t) => {
  const body = Array.from({ length: 1000 }, (_, i) => 100 + i)
  const scanned = [
    ...Array.from({ length: 900 }, () => -1024),
    ...body,
    1e9,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ]
  t.same(windowOf(scanned), { low: 110, high: 1090 })
  t.same(windowOf([5, 5, 5]), { low: 5, high: 6 }, 'one value everywhere')
  t.same(windowOf([0, 0, 0, 1]), { low: 0, high: 1 }, 'a mask')
  t.same(windowOf([0, 0, 1, 2]), { low: 0, high: 2 }, 'labels')
  t.same(windowOf([Number.NaN]), { low: 0, high: 1 })
})

t.test('too few or too many voxels are MDM_INTEGRITY', async (t) => {
  const voxels = Buffer.alloc(48)
  await t.rejects(draw(PLAIN, voxels.subarray(1)), { code: 'MDM_INTEGRITY' })
  await t.rejects(draw(PLAIN, Buffer.alloc(49)), { code: 'MDM_INTEGRITY' })
})
