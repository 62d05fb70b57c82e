import { deflateRawSync } from 'node:zlib'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import t from 'tap'
import { objectOf } from '../../../fixtures/encapsulated.ts'
import { decodersFor, framesOf } from './frames-of.ts'

const EXPLICIT = '1.2.840.10008.1.2.1'
const BIG_ENDIAN = '1.2.840.10008.1.2.2'
const DEFLATED = '1.2.840.10008.1.2.1.99'
const decoders = decodersFor(t)

const native = (bytes: Buffer, o: Partial<InstanceHeader> = {}, vr?: string) =>
  objectOf(bytes, {
    ...{ transferSyntax: EXPLICIT, native: true, rows: 2, columns: 3 },
    pixelData: { offset: 0, length: bytes.length, ...(vr !== undefined && { vr }) },
    ...o,
  })

const counting = (bytes: number) => Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => i))

t.test('frames of words, each its own, and no padding', async (t) => {
  const bytes = counting(37)
  const frames = await framesOf(native(bytes, { frames: 3 }), decoders)
  t.same(frames, [bytes.subarray(0, 12), bytes.subarray(12, 24), bytes.subarray(24, 36)])
  t.same(await framesOf(native(bytes, { frames: 3 }), decoders, [1]), [bytes.subarray(12, 24)])
})

t.test('big endian numbers are turned around, bytes only where they are in words', async (t) => {
  const bytes = counting(48)
  const big = { transferSyntax: BIG_ENDIAN }
  const first = async (o: Partial<InstanceHeader>, vr: string) =>
    (await framesOf(native(Buffer.from(bytes), { ...big, ...o }, vr), decoders))[0]!
  t.equal((await first({}, 'OW')).toString('hex'), '010003020504070609080b0a')
  const eight = { bitsAllocated: 8, bitsStored: 8, highBit: 7 }
  t.equal((await first(eight, 'OB')).toString('hex'), '000102030405')
  t.equal((await first(eight, 'OW')).toString('hex'), '010003020504')
  const floats = { bitsAllocated: 32, floatPixels: true }
  t.equal((await first(floats, 'OF')).subarray(0, 8).toString('hex'), '0302010007060504')
  const doubles = { bitsAllocated: 64, floatPixels: true }
  t.equal((await first(doubles, 'OD')).subarray(0, 8).toString('hex'), '0706050403020100')
  for (const o of [{ bitsAllocated: 32 }, { ...eight, columns: 1, rows: 3 }])
    await t.rejects(first(o, 'OW'), { code: 'MDM_PIXELS' }, 'readers differ')
})

t.test('pixels of one bit become bytes, though frames end within a byte', async (t) => {
  // three frames of 6 pixels: 18 bits
  const bits = [1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1]
  const bytes = Buffer.alloc(4)
  for (const [i, bit] of bits.entries()) bytes[i >> 3]! |= bit << (i & 7)
  const one = { bitsAllocated: 1, bitsStored: 1, highBit: 0, frames: 3 }
  const frames = await framesOf(native(bytes, one), decoders)
  t.same(
    frames.map((frame) => [...frame]),
    [bits.slice(0, 6), bits.slice(6, 12), bits.slice(12)],
  )
})

t.test('planes of colours become pixels', async (t) => {
  const planes = Buffer.from('rrrrrrggggggbbbbbb')
  const rgb = { samplesPerPixel: 3, photometric: 'RGB', bitsAllocated: 8, bitsStored: 8, highBit: 7 }
  const pixelData = { offset: 0, length: planes.length, planar: true }
  const [pixels] = await framesOf(native(planes, { ...rgb, pixelData }), decoders)
  t.equal(pixels?.toString(), 'rgb'.repeat(6))
  t.equal((await framesOf(native(planes, rgb), decoders))[0]?.toString(), planes.toString())
})

t.test('a deflated object gives its frames, and one that holds less is MDM_DICOM', async (t) => {
  const plain = Buffer.concat([counting(200), counting(36), Buffer.alloc(1000)])
  const deflated = Buffer.concat([Buffer.from('META'), deflateRawSync(plain)])
  const pixelData = { offset: 204, length: 36, deflatedFrom: 4 }
  const object = (bytes: Buffer) => native(bytes, { transferSyntax: DEFLATED, frames: 3, pixelData })
  const frames = await framesOf(object(deflated), decoders)
  t.same(Buffer.concat(frames), counting(36))
  const random = Buffer.from(Uint8Array.from({ length: 60 }, (_, i) => (i * i * 7919) >> 3))
  for (const bytes of [deflated.subarray(0, 60), random, Buffer.alloc(0), deflated.subarray(0, 4)])
    await t.rejects(framesOf(object(bytes), decoders), { code: 'MDM_DICOM' })
})

t.test('a bomb inflates no further than the pixels that are declared', async (t) => {
  const bomb = deflateRawSync(Buffer.alloc(64 << 20))
  const o = { transferSyntax: DEFLATED, pixelData: { offset: 0, length: 12, deflatedFrom: 0 } }
  const before = process.memoryUsage().arrayBuffers
  t.equal((await framesOf(native(bomb, o), decoders)).length, 1)
  t.ok(process.memoryUsage().arrayBuffers - before < 8 << 20)
  const huge = { rows: 60_000, columns: 60_000, pixelData: { offset: 0, length: 2 ** 33, deflatedFrom: 0 } }
  await t.rejects(framesOf(native(bomb, { transferSyntax: DEFLATED, ...huge }), decoders), {
    code: 'MDM_PIXELS',
  })
})

t.test('fewer pixels than declared are MDM_DICOM; what cannot be had is MDM_PIXELS', async (t) => {
  await t.rejects(framesOf(native(counting(11)), decoders), { code: 'MDM_DICOM' })
  const lies = { pixelData: { offset: 0, length: 12 } }
  await t.rejects(framesOf(native(counting(11), lies), decoders), { code: 'MDM_DICOM' })
  await t.rejects(framesOf(native(counting(12), { fault: 'MDM_DICOM' }), decoders), { code: 'MDM_DICOM' })
  const never: Partial<InstanceHeader>[] = [
    { transferSyntax: '1.2.840.10008.1.2.4.100' },
    { bitsAllocated: 12 },
    { bitsAllocated: 64 },
    { rows: undefined },
    { rows: 65_535, columns: 65_535 },
    { samplesPerPixel: 4 },
    { bitsStored: 17 },
    { floatPixels: true },
  ]
  for (const o of never)
    await t.rejects(framesOf(native(counting(64), o), decoders), { code: 'MDM_PIXELS' }, JSON.stringify(o))
})
