import t from 'tap'
import { compress, type Image } from '../../../fixtures/compress.ts'
import { items, objectOf } from '../../../fixtures/encapsulated.ts'
import { decodersFor, framesOf, headerOf, testImage } from './frames-of.ts'

const JPEG_LS = '1.2.840.10008.1.2.4.80'
const RLE = '1.2.840.10008.1.2.5'
const decoders = decodersFor(t)

/** Three frames that differ, and their streams. */
const images = [0, 1, 2].map((k) => shifted(testImage(), k * 7))
const streams = await Promise.all(images.map((image) => compress(image, 'jpeg-ls')))
const header = { ...headerOf(images[0]!), transferSyntax: JPEG_LS }

function shifted(image: Image, by: number): Image {
  return {
    ...image,
    samples: Uint8Array.from(image.samples, (_, i) => image.samples[(i + 2 * by) % image.samples.length]!),
  }
}

/** Where the items of fragments begin, from the first. */
function starts(fragments: readonly Uint8Array[]): number[] {
  let at = 0
  return fragments.map(({ length }) => (at += 8 + length) - 8 - length)
}

/** Each stream in `pieces` fragments of even length. */
function broken(pieces: number): Buffer[] {
  return streams.flatMap((stream) => {
    const each = 2 * Math.ceil(stream.length / pieces / 2)
    return Array.from({ length: pieces }, (_, i) => stream.subarray(i * each, (i + 1) * each))
  })
}

const right = images.map(({ samples }) => Buffer.from(samples))

t.test('frames come out the same however they are cut into fragments', async (t) => {
  const whole = starts(streams)
  const inPieces = broken(4)
  const first = starts(inPieces).filter((_, i) => i % 4 === 0)
  const cases: Record<string, Buffer> = {
    'one fragment each, no table': items(streams),
    'one fragment each, a table': items(streams, { table: whole }),
    'several fragments each, a table': items(inPieces, { table: first }),
    'several fragments each, no table: cut where images begin': items(inPieces),
  }
  for (const [name, pixelData] of Object.entries(cases)) {
    const frames = await framesOf(objectOf(pixelData, { ...header, frames: 3 }), decoders)
    t.same(
      frames.map((frame, k) => frame.equals(right[k]!)),
      [true, true, true],
      name,
    )
  }
  const some = await framesOf(objectOf(items(inPieces), { ...header, frames: 3 }), decoders, [2, 5])
  t.same(
    some.map((frame) => frame.equals(right[2]!)),
    [true],
    'only what is wanted and there',
  )
  const one = objectOf(items(inPieces.slice(0, 4)), { ...header, frames: 1 })
  t.ok((await framesOf(one, decoders))[0]?.equals(right[0]!), 'a single frame in four fragments')
})

t.test('an extended offset table says where frames begin, and how long they are', async (t) => {
  const fragments = items(streams)
  const table = (numbers: number[]) => Buffer.from(BigUint64Array.from(numbers, BigInt).buffer)
  const offsets = table(starts(streams))
  const lengths = table(streams.map(({ length }) => length))
  const object = (a: Buffer, b: Buffer, pixels: Buffer) =>
    objectOf(Buffer.concat([a, b, pixels]), {
      ...{ ...header, frames: 3 },
      pixelData: {
        ...{ offset: a.length + b.length, length: undefined },
        offsetTable: {
          offsets: { start: 0, end: a.length },
          lengths: { start: a.length, end: a.length + b.length },
        },
      },
    })
  const frames = await framesOf(object(offsets, lengths, fragments), decoders)
  t.same(
    frames.map((frame, k) => frame.equals(right[k]!)),
    [true, true, true],
  )
  const wrong = table(streams.map(({ length }) => length - 2))
  for (const bad of [
    object(offsets, wrong, fragments),
    object(table([0, 8, 16]), lengths, fragments),
    object(offsets, lengths.subarray(8), fragments),
    object(offsets.subarray(4), lengths, fragments),
    object(offsets, lengths, items(streams, { table: starts(streams) })),
  ])
    await t.rejects(framesOf(bad, decoders), { code: 'MDM_PIXELS' })
})

t.test('what two readers could cut differently is MDM_PIXELS', async (t) => {
  const inPieces = broken(2)
  const cases: Record<string, [pixelData: Buffer, frames: number]> = {
    'three images in an object of one frame': [items(streams), 1],
    'three images in an object of two frames': [items(streams), 2],
    'three images in an object of six frames': [items(streams), 6],
    'six fragments in an object of six frames, three of which begin an image': [items(inPieces), 6],
    'a table that begins frames in the middle of images': [
      items(inPieces, { table: [0, starts(inPieces)[1]!] }),
      2,
    ],
    'a table that begins no frame at a fragment': [items(streams, { table: [0, 10, 20] }), 3],
    'a table with too few frames': [items(streams, { table: [0] }), 3],
    'a table that does not begin at the first fragment': [
      items(streams, { table: starts(streams).slice(1) }),
      2,
    ],
    'a table out of order': [items(streams, { table: starts(streams).reverse() }), 3],
    'no fragment': [items([]), 1],
    'a fragment before the first image': [items([Buffer.alloc(20), ...streams]), 3],
  }
  for (const [name, [pixelData, frames]] of Object.entries(cases))
    await t.rejects(
      framesOf(objectOf(pixelData, { ...header, frames }), decoders),
      { code: 'MDM_PIXELS' },
      name,
    )
  const rle = await compress(images[0]!, 'rle')
  const halves = [rle.subarray(0, 100), rle.subarray(100)]
  const object = objectOf(items(halves), { ...header, transferSyntax: RLE })
  await t.rejects(
    framesOf(object, decoders),
    { code: 'MDM_PIXELS' },
    'RLE has no mark, so is not cut by guess',
  )
})

t.test('a delimiter inside of a fragment is a part of it', async (t) => {
  const delimiter = Buffer.from('feffdde000000000', 'hex')
  // in a comment (ITU-T T.81 B.2.4.5), which decoders pass over
  const comment = Buffer.concat([Buffer.from('fffe000a', 'hex'), delimiter])
  const padded = Buffer.concat([streams[0]!.subarray(0, 2), comment, streams[0]!.subarray(2)])
  const frames = await framesOf(objectOf(items([padded, streams[1]!]), { ...header, frames: 2 }), decoders)
  t.same(
    frames.map((frame, k) => frame.equals(right[k]!)),
    [true, true],
  )
})

t.test('fragments that do not end are MDM_DICOM: the object is damaged', async (t) => {
  const all = items(streams)
  for (const length of [all.length - 1, all.length - 8, all.length - 9, 30, 8, 7, 0]) {
    const object = objectOf(all.subarray(0, length), { ...header, frames: 3 })
    await t.rejects(framesOf(object, decoders), { code: 'MDM_DICOM' }, `${length} bytes`)
  }
  const noItem = Buffer.concat([all.subarray(0, 8), Buffer.alloc(8, 1)])
  await t.rejects(framesOf(objectOf(noItem, header), decoders), { code: 'MDM_PIXELS' })
})
