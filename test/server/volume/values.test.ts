import { writeSeries, type SeriesOptions } from '@mdm/server/dicom/dcmjs/write-series'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import t, { type Test } from 'tap'
import { only, planned, refusals, small } from './generated.ts'
import { plaintextOf, planOnly } from './plaintext.ts'

/** The volume of a series, and the stored numbers of its slices. */
async function volumeOf(t: Test, o: Partial<SeriesOptions>) {
  const { source, written, plan } = await planned(t.testdir(), o)
  t.same(plan.refused, [])
  const [volumePlan] = plan.volumes
  const slices = (await plaintextOf(source, written, volumePlan!)).slice(1)
  return { volume: volumePlan!.volume, slices, tables: volumePlan!.tables }
}

function numbers<T extends { BYTES_PER_ELEMENT: number }>(
  words: new (buffer: ArrayBuffer) => T & Iterable<number>,
  slice: Buffer | undefined,
): number[] {
  return [...new words(Uint8Array.from(slice!).buffer)]
}

t.test('a slope of its own in each slice: the values themselves, rounded once', async (t) => {
  const slopes = [0.061238342, 5.9e-8, 0.31147221, 1, 2.5, 3]
  const attributes = (k: number) => ({ RescaleSlope: String(slopes[k]), RescaleIntercept: '-1000.1' })
  const { volume, slices } = await volumeOf(t, { attributes })
  t.match(volume, { type: 'float32', slope: 1, intercept: 0, units: 'HU' })
  for (const [k, slice] of slices.entries()) {
    const wanted = [0, 1, 2, 3].map((i) => Math.fround((k * 100 + i) * slopes[k]! - 1000.1))
    t.same(numbers(Float32Array, slice).slice(0, 4), wanted, `slice ${k}`)
  }
})

t.test('one slope for all stays a slope, and the numbers stay whole', async (t) => {
  const { volume, slices } = await volumeOf(t, { slope: 5.9e-8, intercept: 2 })
  t.match(volume, { type: 'uint16', slope: 5.9e-8, intercept: 2 })
  t.same(numbers(Uint16Array, slices[2]).slice(0, 2), [200, 201])
})

t.test('mixed signs and bits: the smallest whole numbers that hold all', async (t) => {
  const signed = { PixelRepresentation: 1, BitsStored: 12, HighBit: 11 }
  const attributes = (k: number) => (k % 2 === 0 ? signed : { BitsStored: 12, HighBit: 11 })
  const { volume, slices } = await volumeOf(t, { bitsStored: 12, voxel: () => 0xfff, attributes })
  t.equal(volume.type, 'int16')
  t.equal(numbers(Int16Array, slices[0])[0], -1)
  t.equal(numbers(Int16Array, slices[1])[0], 4095)
  const wide = await volumeOf(t, { voxel: () => 0xffff, attributes: only(0, { PixelRepresentation: 1 }) })
  t.equal(wide.volume.type, 'int32')
  t.same(
    [0, 1].map((k) => numbers(Int32Array, wide.slices[k])[0]),
    [-1, 65_535],
  )
})

t.test('32 bits with slopes of their own need double precision', async (t) => {
  const pixels = new Uint32Array(12).fill(4_000_000_001)
  const attributes = (k: number) => ({
    ...{ BitsAllocated: 32, BitsStored: 32, HighBit: 31, PixelData: pixels.buffer },
    RescaleSlope: String(k + 1),
  })
  const { volume, slices } = await volumeOf(t, { attributes })
  t.equal(volume.type, 'float64')
  t.equal(numbers(Float64Array, slices[1])[0], 2 * 4_000_000_001 - 1024)
})

t.test('a modality table gives the values, and is held against the object at delivery', async (t) => {
  const lut = (first: number, ...values: number[]) => ({
    ModalityLUTSequence: [
      {
        LUTDescriptor: [values.length, first, 16],
        ModalityLUTType: 'OD',
        LUTData: Uint16Array.from(values).buffer,
      },
    ],
    RescaleSlope: undefined,
    RescaleIntercept: undefined,
    RescaleType: undefined,
  })
  const voxel = (i: number) => i
  const { volume, slices } = await volumeOf(t, { voxel, attributes: () => lut(1, 10, 300, 2000) })
  t.match(volume, { type: 'uint16', slope: 1, intercept: 0 })
  t.same(numbers(Uint16Array, slices[0]).slice(0, 4), [10, 10, 300, 2000], 'the nearest entry outside')
  const dir = t.testdir()
  const series = small({ slices: 1, voxel })
  await writeSeries(dir, { ...series, attributes: () => lut(1, 10, 300, 2000) })
  const source = folderSource('lut', dir)
  const { ref, plan } = await planOnly(source)
  await writeSeries(dir, { ...series, attributes: () => lut(1, 10, 300, 2001) })
  await t.rejects(plaintextOf(source, ref, plan.volumes[0]!), { code: 'MDM_SOURCE_CHANGED' })
})

t.test('floating point pixels are kept', async (t) => {
  const values = Float32Array.from({ length: 12 }, (_, i) => i / 3)
  const attributes = () => ({
    ...{ BitsAllocated: 32, BitsStored: undefined, HighBit: undefined, PixelRepresentation: undefined },
    ...{ PixelData: undefined, FloatPixelData: values.buffer },
    ...{ RescaleSlope: undefined, RescaleIntercept: undefined, RescaleType: undefined },
  })
  const { volume, slices } = await volumeOf(t, { attributes })
  t.equal(volume.type, 'float32')
  t.same(numbers(Float32Array, slices[0]), [...values])
})

t.test('colour is red, green and blue of a byte each', async (t) => {
  const colour = (photometric: string, ...pixel: number[]) => ({
    ...{ SamplesPerPixel: 3, PlanarConfiguration: 0, PhotometricInterpretation: photometric },
    ...{ BitsAllocated: 8, BitsStored: 8, HighBit: 7, BurnedInAnnotation: 'NO' },
    PixelData: Uint8Array.from({ length: 36 }, (_, i) => pixel[i % 3]!).buffer,
  })
  const rgb = await volumeOf(t, { attributes: () => colour('RGB', 1, 2, 3) })
  t.match(rgb.volume, { type: 'rgb24', slope: 1, intercept: 0 })
  t.same([...rgb.slices[0]!.subarray(0, 4)], [1, 2, 3, 1])
  const ybr = await volumeOf(t, { attributes: () => colour('YBR_FULL', 76, 85, 255) })
  t.same([...ybr.slices[0]!.subarray(0, 3)], [254, 0, 0], 'red')
})

t.test('a lossy past is told in the header and in the tables', async (t) => {
  const lossy = await volumeOf(t, { attributes: only(3, { LossyImageCompression: '01' }) })
  t.equal(lossy.volume.lossy, true)
  t.equal(lossy.tables.image.lossy, 'yes')
  t.equal(
    (await volumeOf(t, { attributes: () => ({ LossyImageCompression: '00' }) })).volume.lossy,
    undefined,
  )
})

t.test('padding is kept as stored', async (t) => {
  const attributes = () => ({ PixelPaddingValue: 63_536, PixelData: new Uint16Array(12).fill(63_536).buffer })
  t.equal(numbers(Uint16Array, (await volumeOf(t, { attributes })).slices[0])[0], 63_536)
})

t.test('slices of other units are not one volume', async (t) => {
  const { plan } = await planned(t.testdir(), { attributes: only(2, { RescaleType: 'OD' }) })
  t.same(refusals(plan), [['MDM_RESCALE', 6]])
})
