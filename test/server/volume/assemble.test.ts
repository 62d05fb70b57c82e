import type { RetrievedFrame } from '@mdm/server/dicom/source'
import { sliceVoxels } from '@mdm/server/volume/assemble'
import t, { type Test } from 'tap'
import type { SeriesOptions } from '@mdm/server/dicom/dcmjs/write-series'
import { wantedOf } from '../../fixtures/wanted.ts'
import { planned } from './generated.ts'
import { collect } from './plaintext.ts'

/** A planned series with its objects, in order of the volume. */
async function series(t: Test, o: Partial<SeriesOptions>) {
  const { source, written, plan } = await planned(t.testdir(), o)
  const instances = await collect(source.retrieve(written, wantedOf(written.sops)))
  const volumePlan = plan.volumes[0]!
  const bySop = new Map(instances.map((instance) => [instance.header.sop, instance]))
  return { plan: volumePlan, instances: volumePlan.slices.map((row) => bySop.get(row.sop)!) }
}

t.test('the voxels are those of the phantom, column fastest', async (t) => {
  const { plan, instances } = await series(t, {})
  const voxels = sliceVoxels(instances[2]!, plan.slices[2]!, plan.volume)
  const wanted = [200, 201, 202, 203, 210, 211, 212, 213, 220, 221, 222, 223]
  t.same([...new Uint16Array(Uint8Array.from(voxels).buffer)], wanted)
})

t.test('overlays above the stored bits are masked off', async (t) => {
  const { plan, instances } = await series(t, {
    attributes: () => ({ BitsStored: 12, HighBit: 11, PixelData: words(0xf123, 0x0fff) }),
  })
  t.same(valuesOf(instances[0]!, plan, Uint16Array).slice(0, 2), [0x123, 0xfff])
})

t.test('12 signed bits reach from -2048 to 2047', async (t) => {
  const attributes = () => ({
    BitsStored: 12,
    HighBit: 11,
    PixelRepresentation: 1,
    PixelData: words(0x0800, 0xf7ff, 0x0fff, 0x0001),
  })
  const { plan, instances } = await series(t, { attributes })
  t.equal(plan.volume.type, 'int16')
  t.same(valuesOf(instances[0]!, plan, Int16Array).slice(0, 4), [-2048, 2047, -1, 1])
})

t.test('bits stored above the low end are shifted down', async (t) => {
  const attributes = () => ({
    BitsStored: 12,
    HighBit: 15,
    PixelRepresentation: 1,
    PixelData: words(0x800f, 0x7ff5),
  })
  const { plan, instances } = await series(t, { attributes })
  t.same(valuesOf(instances[0]!, plan, Int16Array).slice(0, 2), [-2048, 2047])
})

t.test('a full uint16 does not become negative', async (t) => {
  const { plan, instances } = await series(t, { attributes: () => ({ PixelData: words(0xffff, 0x8000) }) })
  t.equal(plan.volume.type, 'uint16')
  t.same(valuesOf(instances[0]!, plan, Uint16Array).slice(0, 2), [0xffff, 0x8000])
})

t.test('bytes: odd numbers of pixels have padding that is no voxel', async (t) => {
  const { plan, instances } = await series(t, {
    columns: 3,
    rows: 3,
    type: 'int8',
    bitsStored: 7,
    voxel: (i) => -i,
  })
  t.equal(plan.volume.type, 'int8')
  t.equal(plan.sliceBytes, 9)
  t.same(valuesOf(instances[0]!, plan, Int8Array), [0, -1, -2, 0, -1, -2, 0, -1, -2])
})

t.test('32 bits, signed, 24 of them stored', async (t) => {
  const pixels = new Uint32Array(12).fill(0xff800000)
  const attributes = () => ({
    BitsAllocated: 32,
    BitsStored: 24,
    HighBit: 23,
    PixelRepresentation: 1,
    PixelData: pixels.buffer,
  })
  const { plan, instances } = await series(t, { attributes })
  t.equal(plan.volume.type, 'int32')
  t.equal(valuesOf(instances[0]!, plan, Int32Array)[0], -8_388_608)
})

t.test('pixels at an odd address come out the same', async (t) => {
  const { plan, instances } = await series(t, { attributes: () => ({ BitsStored: 12, HighBit: 11 }) })
  const [instance] = instances
  const odd = Buffer.alloc(instance!.pixels.length + 1).subarray(1)
  instance!.pixels.copy(odd)
  const [row] = plan.slices
  t.ok(
    sliceVoxels({ ...instance!, pixels: odd }, row!, plan.volume).equals(
      sliceVoxels(instance!, row!, plan.volume),
    ),
  )
})

t.test('MONOCHROME1 is kept as stored and flagged', async (t) => {
  const { plan, instances } = await series(t, {
    attributes: () => ({ PhotometricInterpretation: 'MONOCHROME1' }),
  })
  t.equal(plan.volume.inverted, true)
  t.match(plan.header.toString(), 'photometric:=MONOCHROME1')
  t.same(valuesOf(instances[0]!, plan, Uint16Array).slice(0, 3), [0, 1, 2])
})

t.test('an object that is not what was registered is MDM_SOURCE_CHANGED', async (t) => {
  const { plan, instances } = await series(t, {})
  const [row] = plan.slices
  const [instance] = instances
  const { header, pixels } = instance!
  t.ok(sliceVoxels(instance!, row!, plan.volume))
  const changes: Partial<RetrievedFrame['header']>[] = [
    { sop: '1.2.3' },
    { rows: 4 },
    { columns: 3 },
    { position: [0, 0, 0.001] },
    { position: undefined },
    { orientation: [0, 1, 0, 1, 0, 0] },
    { bitsStored: 15 },
    { highBit: 14 },
    { pixelRepresentation: 1 },
    { slope: 2 },
    { intercept: 0 },
    { photometric: 'MONOCHROME1' },
    { photometric: 'RGB' },
    { transferSyntax: '1.2.840.10008.1.2.4.90' },
    { text: { ...header.text, BurnedInAnnotation: 'YES' } },
  ]
  for (const change of changes) {
    const changed = { header: { ...header, ...change }, frame: 0, pixels }
    t.throws(
      () => sliceVoxels(changed, row!, plan.volume),
      { code: 'MDM_SOURCE_CHANGED' },
      JSON.stringify(change),
    )
  }
  t.throws(() => sliceVoxels({ header, frame: 0, pixels: pixels.subarray(2) }, row!, plan.volume), {
    code: 'MDM_SOURCE_CHANGED',
  })
})

function words(...values: number[]): ArrayBuffer {
  return Uint16Array.from({ length: 12 }, (_, i) => values[i] ?? 0).buffer
}

type Words = Int8ArrayConstructor | Int16ArrayConstructor | Uint16ArrayConstructor | Int32ArrayConstructor

function valuesOf(
  instance: RetrievedFrame,
  plan: Awaited<ReturnType<typeof series>>['plan'],
  words: Words,
): number[] {
  const row = plan.slices.find(({ sop }) => sop === instance.header.sop)!
  return [...new words(Uint8Array.from(sliceVoxels(instance, row, plan.volume)).buffer)]
}
