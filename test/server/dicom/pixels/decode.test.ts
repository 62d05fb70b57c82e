import { setTimeout as sleep } from 'node:timers/promises'
import { decodedFrames } from '@mdm/server/dicom/pixels/decode'
import { storedFrames, type StoredFrame } from '@mdm/server/dicom/pixels/frames'
import type { Decoders } from '@mdm/server/dicom/pixels/pool'
import t from 'tap'
import { objectOf } from '../../../fixtures/encapsulated.ts'

const EXPLICIT = '1.2.840.10008.1.2.1'
const RLE = '1.2.840.10008.1.2.5'

/** Frames as if they came out of an object; `asked` says how many did. */
function frames(
  count: number,
  coding: StoredFrame['coding'],
  bits = 16,
): AsyncIterable<StoredFrame> & { asked: number } {
  const { header } = objectOf(Buffer.alloc(0), { transferSyntax: RLE, frames: count })
  const shape = {
    rows: 4_096,
    columns: 4_096,
    samples: 1,
    bitsAllocated: bits,
    bitsStored: bits,
    signed: false,
    photometric: '',
  }
  return {
    asked: 0,
    async *[Symbol.asyncIterator]() {
      for (let frame = 0; frame < count; frame++) {
        this.asked++
        yield { header, frame, coding, shape, bytes: Buffer.from([frame]) }
      }
    },
  }
}

/** A decoder that takes the longer the earlier a frame is, and notes how many it has at once. */
function slow(): Pick<Decoders, 'size' | 'decode'> & { most: number } {
  let now = 0
  const decoders: ReturnType<typeof slow> = {
    size: 3,
    most: 0,
    async decode({ stream }) {
      decoders.most = Math.max(decoders.most, ++now)
      await sleep(100 - 10 * stream[0]!)
      now--
      return Buffer.from(stream)
    },
  }
  return decoders
}

t.test('frames come in their order, a few decoded ahead, whichever is ready first', async (t) => {
  const decoders = slow()
  const seen: number[] = []
  for await (const { frame, pixels } of decodedFrames(frames(8, 'rle', 8), decoders)) {
    t.equal(pixels[0], frame)
    seen.push(frame)
  }
  t.same(seen, [0, 1, 2, 3, 4, 5, 6, 7])
  // 16 MiB each: four are 64 MiB
  t.equal(decoders.most, 4)
})

t.test('what waits is bounded by its bytes, and nothing is asked for before it is wanted', async (t) => {
  const decoders = slow()
  // 32 MiB each
  const stored = frames(8, 'rle', 16)
  const iterator = decodedFrames(stored, decoders)[Symbol.asyncIterator]()
  t.equal(stored.asked, 0)
  t.equal((await iterator.next()).value?.frame, 0)
  t.equal(decoders.most, 2)
  t.equal(stored.asked, 3)
  await iterator.return?.(undefined)
})

t.test('frames that are not compressed need no decoder', async (t) => {
  const none: Pick<Decoders, 'size' | 'decode'> = {
    size: 1,
    decode: () => Promise.reject(new Error('asked')),
  }
  const { header, bytes } = objectOf(Buffer.alloc(96, 7), {
    transferSyntax: EXPLICIT,
    native: true,
    frames: 3,
  })
  const pixels: Buffer[] = []
  for await (const frame of decodedFrames(storedFrames(header, bytes), none)) pixels.push(frame.pixels)
  t.same(
    pixels,
    [1, 2, 3].map(() => Buffer.alloc(32, 7)),
  )
})

t.test(
  'a frame that cannot be decoded ends the frames at its place, and who leaves stops the decoders',
  async (t) => {
    let aborted = 0
    const fails: Pick<Decoders, 'size' | 'decode'> = {
      size: 3,
      async decode({ stream }, signal) {
        signal?.addEventListener('abort', () => aborted++)
        if (stream[0] === 1) throw new Error('bad')
        return Buffer.from(stream)
      },
    }
    const iterator = decodedFrames(frames(8, 'rle', 8), fails)[Symbol.asyncIterator]()
    t.equal((await iterator.next()).value?.frame, 0)
    await t.rejects(iterator.next(), { message: 'bad' })
    t.ok(aborted > 0)
  },
)
