import { MdmError } from '@mdm/core/errors'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import t from 'tap'
import { compress, COMPRESSED, type Compression } from '../../../fixtures/compress.ts'
import { generator } from '../../../fixtures/random.ts'
import { compressedObject, decodersFor, framesOf, headerOf, testImage } from './frames-of.ts'

const decoders = decodersFor(t)
/** CharLS goes round in circles in some streams: that ends too, only sooner here. */
const impatient = decodersFor(t, { timeoutMs: 1_500 })
const ROUNDS = 15
const CODINGS = Object.keys(COMPRESSED) as Compression[]

/** What a stream becomes; the code where it becomes nothing. */
async function outcome(
  stream: Uint8Array,
  how: Compression,
  header: Partial<InstanceHeader>,
  by = decoders,
): Promise<Buffer | string> {
  try {
    const [pixels] = await framesOf(compressedObject(stream, how, header), by)
    return pixels ?? 'nothing'
  } catch (error) {
    if (!(error instanceof MdmError)) return String(error)
    return /^a compressed frame cannot be decoded: [a-z ]+$/.test(error.message) ? error.code : error.message
  }
}

for (const how of CODINGS) {
  const image = testImage(how === 'jpeg' ? { bits: 8 } : {})
  const header = headerOf(image)

  t.test(`${how}: a stream that is cut short is refused, or gives every pixel`, async (t) => {
    const stream = await compress(image, how)
    const [whole] = await framesOf(compressedObject(stream, how, header), decoders)
    const cuts = [1, 2, 3, 4, 16, stream.length >> 1, stream.length - 70, stream.length - 16]
    for (const cut of cuts) {
      const found = await outcome(stream.subarray(0, stream.length - cut), how, header)
      // the last bytes may be padding
      t.ok(
        found === 'MDM_PIXELS' || (cut <= 2 && whole!.equals(found as Buffer)),
        `${cut} bytes less: ${String(found).slice(0, 60)}`,
      )
    }
  })

  t.test(`${how}: a size, depth or number of samples that is not the header's is refused`, async (t) => {
    const stream = await compress(image, how)
    const { rows = 0, columns = 0 } = header
    const lies: Partial<InstanceHeader>[] = [
      { rows: rows + 1 },
      { rows: columns, columns: rows },
      { rows: 2 * rows },
      { rows: 8_000, columns: 8_000 },
      { samplesPerPixel: 3, photometric: 'RGB' },
    ]
    // An RLE stream does not say how wide its image is.
    for (const lie of lies.filter(({ columns }) => how !== 'rle' || columns !== rows))
      t.equal(await outcome(stream, how, { ...header, ...lie }), 'MDM_PIXELS', JSON.stringify(lie))
    const narrow =
      how === 'jpeg' ? { bitsStored: 4, highBit: 3 } : { bitsAllocated: 8, bitsStored: 8, highBit: 7 }
    t.equal(await outcome(stream, how, { ...header, ...narrow }), 'MDM_PIXELS', 'too few bits')
  })

  t.test(`${how}: altered streams give pixels or MDM_PIXELS, and the process lives`, async (t) => {
    const stream = await compress(image, how)
    const below = generator(CODINGS.indexOf(how) + 1)
    const found = { pixels: 0, refused: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const altered = Buffer.from(stream)
      for (let n = 0; n < 1 + (round % 4); n++) altered[below(altered.length)] = below(256)
      const got = await outcome(altered, how, header, impatient)
      if (typeof got !== 'string') found.pixels++
      else if (got === 'MDM_PIXELS' || got.startsWith('compressed frames can be cut')) found.refused++
      else t.fail(got)
    }
    t.equal(found.pixels + found.refused, ROUNDS)
    const [after] = await framesOf(compressedObject(stream, how, header), decoders)
    t.equal(after?.length, image.samples.length, 'and the next one is decoded')
  })
}

t.test('a stream of another kind than the transfer syntax says is refused', async (t) => {
  const image = testImage()
  const header = headerOf(image)
  const streams = new Map<Compression, Buffer>()
  for (const how of ['rle', 'jpeg-ls', 'jpeg-2000', 'htj2k'] as const)
    streams.set(how, await compress(image, how))
  for (const [made, stream] of streams)
    for (const how of CODINGS.filter((how) => how !== made)) {
      const found = await outcome(stream, how, header)
      t.ok(
        typeof found === 'string' && !found.includes('Error'),
        `${made} as ${how}: ${String(found).slice(0, 80)}`,
      )
    }
})
