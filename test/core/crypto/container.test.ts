import { randomBytes, randomInt } from 'node:crypto'
import {
  containerLength,
  FRAME_BYTES,
  frameCount,
  framesHolding,
  frameSpan,
  MAX_PLAINTEXT_BYTES,
} from '@mdm/core/crypto/container/profile'
import { decryptContainer, openContainer, parseContainerHeader } from '@mdm/core/crypto/container/reader'
import { createContainer, encryptContainer } from '@mdm/core/crypto/container/writer'
import { newGuid, newKid } from '@mdm/core/names'
import t from 'tap'
import { gather, inPieces, open, randomKey, sampleContext, seal } from './container-samples.ts'

const key = randomKey()
const SIZES = [
  0,
  1,
  15,
  16,
  17,
  FRAME_BYTES - 1,
  FRAME_BYTES,
  FRAME_BYTES + 1,
  2 * FRAME_BYTES,
  3 * FRAME_BYTES + 12_345,
]

t.test('what was sealed comes out again, at every size and in whatever pieces it travels', async (t) => {
  for (const size of SIZES) {
    const plaintext = randomBytes(size)
    const context = sampleContext(size)
    const container = await gather(
      encryptContainer(context, key, inPieces(plaintext, randomInt(1000, 100_000))),
    )
    t.equal(container.length, containerLength(context), `length of ${size} known in advance`)
    for (const pieces of [container.length, randomInt(100, 100_000), ...(size < 100 ? [1] : [])]) {
      t.ok((await open(container, key, context, pieces)).equals(plaintext), `${size} in pieces of ${pieces}`)
    }
    t.equal(
      container.includes(plaintext.subarray(0, 17)) && size >= 17,
      false,
      'no plaintext in the container',
    )
  }
})

t.test('frames can be sealed and opened in any order', (t) => {
  const plaintext = randomBytes(5 * FRAME_BYTES + 99)
  const context = sampleContext(plaintext.length)
  const writer = createContainer(context, key)
  t.equal(writer.frames, 6)
  t.equal(writer.etag, writer.messageId.toString('base64url'))
  const container = Buffer.alloc(writer.length)
  writer.header.copy(container)
  const frame = (i: number) => plaintext.subarray((i - 1) * FRAME_BYTES, i * FRAME_BYTES)
  for (const i of [6, 2, 1, 5, 4, 3]) {
    const { start, end } = frameSpan(writer.header.length, plaintext.length, i)
    const record = writer.sealFrame(i, frame(i))
    t.equal(record.length, end - start)
    record.copy(container, start)
  }
  const header = parseContainerHeader(container)!
  t.same(
    [header.headerBytes, header.length, header.frames, header.etag],
    [writer.header.length, writer.length, 6, writer.etag],
  )
  t.same(header.context, context)
  const opener = openContainer(header, key, context)
  for (const i of [3, 6, 1, 1, 5, 2, 4]) {
    const { start, end } = frameSpan(header.headerBytes, plaintext.length, i)
    t.ok(opener.openFrame(i, container.subarray(start, end)).equals(frame(i)), `frame ${i}`)
  }
  opener.wipe()
  t.throws(() => opener.openFrame(1, container.subarray(0, 1)), { code: 'MDM_INTERNAL' })
  t.end()
})

t.test('a range needs the header and its own frames, nothing else', (t) => {
  const plaintext = randomBytes(4 * FRAME_BYTES + 5)
  const writer = createContainer(sampleContext(plaintext.length), key)
  const records = Array.from({ length: 5 }, (_, i) =>
    writer.sealFrame(i + 1, plaintext.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES)),
  )
  const header = parseContainerHeader(writer.header)!
  const opener = openContainer(header, key, header.context)
  for (const [start, end] of [
    [0, 1],
    [FRAME_BYTES - 1, FRAME_BYTES + 1],
    [FRAME_BYTES, 2 * FRAME_BYTES],
    [100_000, 250_000],
    [4 * FRAME_BYTES, plaintext.length],
  ] as const) {
    const { first, last } = framesHolding(start, end)
    const frames = Array.from({ length: last - first + 1 }, (_, i) =>
      opener.openFrame(first + i, records[first + i - 1]!),
    )
    const from = start - (first - 1) * FRAME_BYTES
    t.ok(
      Buffer.concat(frames)
        .subarray(from, from + end - start)
        .equals(plaintext.subarray(start, end)),
      `${start} to ${end}`,
    )
  }
  t.same(framesHolding(FRAME_BYTES, 2 * FRAME_BYTES), { first: 2, last: 2 })
  t.end()
})

t.test('a frame is sealed at most once, at its own length, and never after wipe', (t) => {
  const writer = createContainer(sampleContext(2 * FRAME_BYTES + 7), key)
  const full = Buffer.alloc(FRAME_BYTES)
  writer.sealFrame(2, full)
  t.throws(() => writer.sealFrame(2, full), { code: 'MDM_INTERNAL' }, 'twice')
  t.throws(() => writer.sealFrame(1, full.subarray(1)), { code: 'MDM_INTERNAL' }, 'too short')
  t.throws(() => writer.sealFrame(3, full), { code: 'MDM_INTERNAL' }, 'too long')
  for (const index of [0, -1, 4, 1.5, NaN])
    t.throws(() => writer.sealFrame(index, full), { code: 'MDM_INTERNAL' }, `index ${index}`)
  t.equal(writer.sealFrame(3, full.subarray(0, 7)).length, 4 + 4 + 12 + 4 + 7 + 16)
  writer.wipe()
  t.throws(() => writer.sealFrame(1, full), { code: 'MDM_INTERNAL' }, 'after wipe')
  t.end()
})

t.test(
  'two containers of the same plaintext share neither message id nor data key nor ciphertext',
  async (t) => {
    const context = sampleContext(32)
    const [a, b] = [await seal(context, key, Buffer.alloc(32)), await seal(context, key, Buffer.alloc(32))]
    const [ha, hb] = [parseContainerHeader(a)!, parseContainerHeader(b)!]
    t.notOk(ha.messageId.equals(hb.messageId))
    t.notOk(ha.dataKey.wrapped.equals(hb.dataKey.wrapped))
    t.notOk(ha.dataKey.iv.equals(hb.dataKey.iv))
    t.notOk(a.subarray(-48).equals(b.subarray(-48)))
  },
)

t.test('a plaintext longer or shorter than was said never gets a final frame', async (t) => {
  for (const [said, real] of [
    [10, 11],
    [10, 9],
    [0, 1],
    [FRAME_BYTES, FRAME_BYTES + 1],
    [FRAME_BYTES + 1, FRAME_BYTES],
    [2 * FRAME_BYTES, 5],
  ] as const) {
    const context = sampleContext(said)
    let bytes = 0
    const run = async () => {
      for await (const piece of encryptContainer(context, key, inPieces(Buffer.alloc(real))))
        bytes += piece.length
    }
    await t.rejects(run(), { code: 'MDM_INTERNAL' }, `${real} instead of ${said}`)
    t.ok(bytes <= containerLength(context) - 40, 'no final frame')
  }
})

t.test('the container of another volume, version or key is refused', async (t) => {
  const context = sampleContext(5, { version: 3 })
  const container = await seal(context, key, Buffer.from('voxel'))
  t.equal((await open(container, key, { guid: context.guid })).toString(), 'voxel')
  t.equal(
    (await open(container, key, { guid: context.guid, version: 3, kid: context.kid })).toString(),
    'voxel',
  )
  await t.rejects(open(container, key, { guid: newGuid() }), { code: 'MDM_CONTAINER' })
  await t.rejects(open(container, key, { guid: context.guid, version: 2 }), { code: 'MDM_CONTAINER' })
  await t.rejects(open(container, key, { guid: context.guid, kid: newKid() }), { code: 'MDM_CONTAINER' })
  await t.rejects(open(container, randomKey(), context), { code: 'MDM_COMMITMENT' })
})

t.test('nothing of a frame is released when its tag is wrong, and nothing after it', async (t) => {
  const plaintext = randomBytes(3 * FRAME_BYTES)
  const context = sampleContext(plaintext.length)
  const container = await seal(context, key, plaintext)
  const { start } = frameSpan(parseContainerHeader(container)!.headerBytes, plaintext.length, 2)
  container[start + 1000]! ^= 1
  const out: Buffer[] = []
  const run = async () => {
    for await (const piece of decryptContainer(inPieces(container, 7000), async () => ({
      fileKey: key,
      expected: context,
    })))
      out.push(piece)
  }
  await t.rejects(run(), { code: 'MDM_CONTAINER', details: { fault: 'frame tag' } })
  t.ok(
    Buffer.concat(out).equals(plaintext.subarray(0, FRAME_BYTES)),
    'the first frame, which is right, and no more',
  )
})

t.test(
  'a container cut at any place, or continued, is refused; the last frame waits for the end',
  async (t) => {
    const plaintext = randomBytes(300)
    const context = sampleContext(plaintext.length)
    const container = await seal(context, key, plaintext)
    for (let cut = 0; cut < container.length; cut++) {
      await t.rejects(open(container.subarray(0, cut), key, context), {
        code: 'MDM_CONTAINER',
        details: { fault: 'truncated' },
      })
    }
    const released: Buffer[] = []
    const run = async () => {
      const longer = inPieces(Buffer.concat([container, Buffer.from([0])]), 100)
      for await (const piece of decryptContainer(longer, async () => ({ fileKey: key, expected: context })))
        released.push(piece)
    }
    await t.rejects(run(), { code: 'MDM_CONTAINER', details: { fault: 'trailing bytes' } })
    t.same(released, [])
  },
)

t.test(
  'the header parser asks for more bytes until the header is whole, and for 4 KiB at the most',
  async (t) => {
    const container = await seal(sampleContext(0), key, Buffer.alloc(0))
    const { headerBytes } = parseContainerHeader(container)!
    for (let length = 0; length < headerBytes; length++)
      t.equal(parseContainerHeader(container.subarray(0, length)), undefined)
    t.equal(parseContainerHeader(container.subarray(0, headerBytes))!.headerBytes, headerBytes)
    const endless = Buffer.alloc(5000, 0xff)
    endless.set([2, 4, 0x78])
    t.equal(parseContainerHeader(endless.subarray(0, 4095)), undefined)
    t.throws(() => parseContainerHeader(endless.subarray(0, 4096)), { code: 'MDM_CONTAINER' })
    t.throws(() => parseContainerHeader(Buffer.from('not a container')), {
      code: 'MDM_CONTAINER',
      details: { fault: 'version' },
    })
  },
)

t.test('a reader that stops early lets the source go', async (t) => {
  const context = sampleContext(3 * FRAME_BYTES)
  const container = await seal(context, key, Buffer.alloc(context.plaintextBytes))
  let closed = false
  async function* source() {
    try {
      yield* inPieces(container, 10_000)
    } finally {
      closed = true
    }
  }
  for await (const piece of decryptContainer(source(), async () => ({ fileKey: key, expected: context }))) {
    t.equal(piece.length, FRAME_BYTES)
    break
  }
  t.ok(closed)
})

t.test('memory does not grow with the volume', async (t) => {
  const bytes = 512 * 1024 * 1024
  const before = process.memoryUsage.rss()
  const context = sampleContext(bytes)
  async function* plaintext() {
    const chunk = Buffer.alloc(1024 * 1024, 7)
    for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk
  }
  const sealed = encryptContainer(context, key, plaintext())
  let seen = 0
  let peak = 0
  for await (const piece of decryptContainer(sealed, async () => ({ fileKey: key, expected: context }))) {
    seen += piece.length
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  t.equal(seen, bytes)
  const grown = Math.round((peak - before) / 2 ** 20)
  t.ok(grown < 200, `${grown} MiB more at peak while 512 MiB were sealed and opened`)
})

t.test('a context or key that is not of the form makes no container', (t) => {
  const bad = [
    { profile: '' },
    { profile: 'é' },
    { plaintextBytes: -1 },
    { plaintextBytes: MAX_PLAINTEXT_BYTES + 1 },
    { plaintextBytes: 1.5 },
    { version: 0 },
    { guid: 'x' as never },
  ]
  for (const change of bad)
    t.throws(
      () => createContainer(sampleContext(1, change), key),
      { code: 'MDM_INTERNAL' },
      JSON.stringify(change),
    )
  t.throws(
    () => createContainer({ ...sampleContext(1), patient: 'DOE^J' } as never, key),
    { code: 'MDM_INTERNAL' },
    'nothing else fits in',
  )
  t.equal(createContainer(sampleContext(MAX_PLAINTEXT_BYTES), key).frames, frameCount(MAX_PLAINTEXT_BYTES))
  t.end()
})
