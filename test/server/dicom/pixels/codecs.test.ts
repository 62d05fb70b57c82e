import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { readHeader } from '@mdm/server/dicom/part10/index'
import { Gathered } from '@mdm/server/dicom/pixels/index'
import openOpenJpeg from '@cornerstonejs/codec-openjpeg'
import t from 'tap'
import { compress, type Compression } from '../../../fixtures/compress.ts'
import { compressedObject, decodersFor, framesOf, headerOf, testImage } from './frames-of.ts'

const decoders = decodersFor(t)
const LOSSLESS: readonly Compression[] = ['rle', 'jpeg-ls', 'jpeg-2000', 'htj2k']

for (const how of LOSSLESS)
  t.test(`${how}: every number comes back, of 8 to 16 bits, with a sign, in colour`, async (t) => {
    for (const [bits, signed, components] of [
      ...[
        [8, false, 1],
        [12, false, 1],
        [16, false, 1],
        [16, true, 1],
        [12, true, 1],
      ],
      ...[[8, false, 3]],
    ] as [number, boolean, number][]) {
      const image = testImage({ bits, signed, components })
      const object = compressedObject(await compress(image, how), how, headerOf(image))
      const [pixels] = await framesOf(object, decoders)
      t.ok(pixels?.equals(image.samples), `${bits} bits, signed ${signed}, ${components} samples`)
    }
  })

t.test('a high-throughput stream is read alike by the two libraries for JPEG 2000', async (t) => {
  const image = testImage({ bits: 16 })
  const stream = await compress(image, 'htj2k')
  const [ours] = await framesOf(compressedObject(stream, 'htj2k', headerOf(image)), decoders)
  const library = await openOpenJpeg({ print: () => {}, printErr: () => {} })
  const decoder = new library.J2KDecoder()
  decoder.getEncodedBuffer(stream.length).set(stream)
  decoder.decode()
  t.ok(ours?.equals(Buffer.from(decoder.getDecodedBuffer())))
  decoder.delete()
})

t.test('JPEG of 8 bits is near what it was, and colours come as RGB', async (t) => {
  for (const components of [1, 3]) {
    const image = testImage({ bits: 8, components, rows: 64, columns: 64 })
    // a smooth image, as the format is made for
    for (let i = 0; i < image.samples.length; i++) image.samples[i] = 40 + Math.floor(i / components / 64) * 2
    const header = { ...headerOf(image), ...(components === 3 && { photometric: 'YBR_FULL_422' }) }
    const [pixels] = await framesOf(compressedObject(await compress(image, 'jpeg'), 'jpeg', header), decoders)
    t.equal(pixels?.length, image.samples.length)
    const off = image.samples.map((sample, i) => Math.abs(sample - pixels![i]!))
    t.ok(Math.max(...off) <= 8, `at most ${Math.max(...off)} off`)
  }
})

t.test('JPEG colours of which the stream says something else than the header are MDM_PIXELS', async (t) => {
  const image = testImage({ bits: 8, components: 3 })
  const object = compressedObject(await compress(image, 'jpeg'), 'jpeg', headerOf(image))
  await t.rejects(framesOf(object, decoders), { code: 'MDM_PIXELS' })
})

t.test(
  'lossless JPEG as DCMTK writes it, by each of its seven predictors, in grey and in colour',
  async (t) => {
    const dir = t.testdir()
    if (!isThere('dcmcjpeg')) return t.pass('skipped: DCMTK is not installed here')
    const grey = { modality: 'MR', columns: 61, rows: 47, slices: 1, spacing: [1, 1, 1] } as const
    const voxel = (i: number, j: number) => ((i * 37) ^ (j * 211)) & 0xfff
    const [file = ''] = (
      await writeSeries(join(dir, 'grey'), { ...grey, spacing: [1, 1, 1], bitsStored: 12, voxel })
    ).files
    const original = readFileSync(file)
    const { offset = 0, length = 0 } = readHeader(original).pixelData ?? {}
    const stored = original.subarray(offset, offset + length)
    const out = join(dir, 'out.dcm')
    for (const predictor of [1, 2, 3, 4, 5, 6, 7]) {
      execFileSync('dcmcjpeg', ['--encode-lossless', '--selection-value', String(predictor), file, out])
      t.ok((await pixelsOf(out))?.equals(stored.subarray(0, 61 * 47 * 2)), `predictor ${predictor}`)
    }
    const rgb = testImage({ bits: 8, components: 3, rows: 47, columns: 61 })
    const padded = new Uint8Array(rgb.samples.length + 1)
    padded.set(rgb.samples)
    const colour = await writeSeries(join(dir, 'rgb'), {
      ...{ ...grey, spacing: [1, 1, 1], voxel },
      attributes: () => ({
        ...{ SamplesPerPixel: 3, PhotometricInterpretation: 'RGB', PlanarConfiguration: 0 },
        ...{ BitsAllocated: 8, BitsStored: 8, HighBit: 7, SmallestImagePixelValue: undefined },
        PixelData: padded.buffer,
      }),
    })
    execFileSync('dcmcjpeg', ['--encode-lossless-sv1', '--true-lossless', colour.files[0]!, out])
    t.ok((await pixelsOf(out))?.equals(rgb.samples), 'colour')
  },
)

async function pixelsOf(path: string): Promise<Buffer | undefined> {
  const file = readFileSync(path)
  const bytes = new Gathered()
  bytes.add(file)
  return (await framesOf({ header: readHeader(file), bytes }, decoders))[0]
}

function isThere(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    if (process.env.MDM_PEERS === 'required')
      throw new Error(`MDM_PEERS=required, but ${program} is not there`)
    return false
  }
}
