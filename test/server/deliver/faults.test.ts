import { createHash } from 'node:crypto'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { DeliveryOptions } from '@mdm/server/deliver/delivery'
import t, { type Test } from 'tap'
import {
  bytesOf,
  deliveryOf,
  filesIn,
  forever,
  get,
  ORDERS,
  plaintextDigest,
  type Script,
  scriptedSource,
  sends,
  stream,
  type TestVolume,
  testVolume,
  until,
} from './fixture.ts'

const SLICES = 6
const forward = ORDERS.forward(SLICES)

function started(t: Test, script: (volume: TestVolume) => Script, o: Partial<DeliveryOptions> = {}) {
  const volume = testVolume({ columns: 256, rows: 256, slices: SLICES })
  const source = scriptedSource(volume, script(volume))
  return { volume, source, ...deliveryOf(t, volume, { source, ...o }) }
}

/** A fault after the first slice: the answer has begun and must be cut, with the code to be asked for. */
async function isCut(t: Test, { delivery, volume, spoolDir }: ReturnType<typeof started>, code: ErrorCode) {
  const lease = await delivery.open(volume.record, { signal: forever })
  await t.rejects(bytesOf(stream(lease)), { code })
  t.match(delivery.report(volume.record.guid, lease.etag), { version: 1, report: { state: 'FAILED', code } })
  t.equal(filesIn(spoolDir).size, 0, 'the spool file is gone')
}

/** A fault before the status line is the refusal itself. */
async function isRefused(
  t: Test,
  { delivery, volume, spoolDir }: ReturnType<typeof started>,
  code: ErrorCode,
) {
  await t.rejects(delivery.open(volume.record, { signal: forever }), { code })
  t.equal(filesIn(spoolDir).size, 0)
}

/** The volume's slices, but slice `k` is another one. */
function changing(
  volume: TestVolume,
  k: number,
  change: (header: TestVolume['record']['slices'][number]) => object,
): Script {
  return async function* () {
    for (const i of forward) {
      const instance = volume.instance(i)
      if (i === k) instance.header = { ...instance.header, ...change(volume.record.slices[i]!) }
      yield instance
    }
  }
}

const CHANGES = {
  position: () => ({ position: [0, 0, 0] }),
  rows: () => ({ rows: 255 }),
  columns: () => ({ columns: 255 }),
  'bits allocated': () => ({ bitsAllocated: 8 }),
  rescale: () => ({ slope: 2 }),
  'SOP instance': () => ({ sop: '9.9.9' }),
}
for (const [what, change] of Object.entries(CHANGES)) {
  t.test(`a first slice with another ${what} is refused before the answer`, async (t) => {
    const it = started(t, (volume) => changing(volume, 0, change))
    await isRefused(t, it, 'MDM_SOURCE_CHANGED')
    t.equal(it.source.attempts, 1, 'the source is not asked again')
  })
  t.test(`a later slice with another ${what} cuts the answer`, async (t) => {
    await isCut(
      t,
      started(t, (volume) => changing(volume, 3, change)),
      'MDM_SOURCE_CHANGED',
    )
  })
}

t.test('a slice that comes twice is a changed source', async (t) => {
  const script = (volume: TestVolume): Script =>
    async function* () {
      for (const k of [0, 1, 2, 2, 3, 4, 5]) yield volume.instance(k)
    }
  await isCut(t, started(t, script), 'MDM_SOURCE_CHANGED')
})

t.test('a slice too many, even after the last, is a changed source', async (t) => {
  const script = (volume: TestVolume): Script =>
    async function* () {
      for (const k of forward) yield volume.instance(k)
      const { header, pixels } = volume.instance(0)
      yield { header: { ...header, sop: '9.9.9' }, frame: 0, pixels }
    }
  await isCut(t, started(t, script), 'MDM_SOURCE_CHANGED')
})

t.test('a slice that did not come is asked for again, alone', async (t) => {
  const asked: number[][] = []
  const script = (volume: TestVolume): Script =>
    async function* (wanted, attempt) {
      asked.push([...wanted])
      for (const k of wanted) if (attempt > 1 || k !== 3) yield volume.instance(k)
    }
  const { delivery, volume } = started(t, script)
  t.equal(await plaintextDigest(await get(delivery, volume), volume), volume.sha256)
  t.same(asked, [forward, [3]])
})

t.test('a slice that never comes cuts the answer after the second time', async (t) => {
  const it = started(t, (volume) => sends(volume, [0, 1, 2, 4, 5]))
  await isCut(t, it, 'MDM_SOURCE_INCOMPLETE')
  t.equal(it.source.attempts, 2)
})

t.test('a source that dies midway and comes back gives the whole volume', async (t) => {
  const script = (volume: TestVolume): Script =>
    async function* (wanted, attempt) {
      for (const k of wanted) {
        if (attempt === 1 && k === 3) throw new MdmError('MDM_SOURCE_UNREACHABLE')
        yield volume.instance(k)
      }
    }
  const { delivery, volume } = started(t, script)
  t.equal(await plaintextDigest(await get(delivery, volume), volume), volume.sha256)
})

t.test('a source that stays dead midway leaves the volume incomplete', async (t) => {
  const script = (volume: TestVolume): Script =>
    async function* (wanted) {
      for (const k of wanted) {
        if (k === 3) throw new MdmError('MDM_SOURCE_UNREACHABLE')
        yield volume.instance(k)
      }
    }
  await isCut(t, started(t, script), 'MDM_SOURCE_INCOMPLETE')
})

t.test('a source that falls silent midway is given up, even if it ignores the signal', async (t) => {
  const script = (volume: TestVolume): Script =>
    sends(volume, forward, (k) => (k === 3 ? new Promise(() => undefined) : Promise.resolve()))
  await isCut(t, started(t, script, { silenceMs: 50 }), 'MDM_SOURCE_INCOMPLETE')
})

t.test('a dead source is a refusal before the answer, although the key was there', async (t) => {
  const script = (): Script =>
    async function* () {
      throw new MdmError('MDM_SOURCE_UNREACHABLE')
    }
  const it = started(t, script)
  await isRefused(t, it, 'MDM_SOURCE_UNREACHABLE')
  t.equal(it.source.attempts, 2)
})

t.test('a source that has nothing of the volume left is incomplete before the answer', async (t) => {
  await isRefused(
    t,
    started(t, (volume) => sends(volume, [])),
    'MDM_SOURCE_INCOMPLETE',
  )
})

t.test('a series that the source forgot is a changed source, not an unknown volume', async (t) => {
  const script = (): Script =>
    async function* () {
      throw new MdmError('MDM_NOT_FOUND')
    }
  await isRefused(t, started(t, script), 'MDM_SOURCE_CHANGED')
})

t.test('too few key servers are a refusal before the answer, and the source is let go', async (t) => {
  let released = false
  const script = (volume: TestVolume): Script =>
    async function* () {
      try {
        yield volume.instance(0)
      } finally {
        released = true
      }
    }
  const keys = { fetch: () => Promise.reject(new MdmError('MDM_BELOW_THRESHOLD')) }
  await isRefused(t, started(t, script, { keys }), 'MDM_BELOW_THRESHOLD')
  await until(() => released)
})

t.test('key and first slice are asked for at the same time', async (t) => {
  const both = Promise.withResolvers<void>()
  const [key, slice] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  void Promise.all([key.promise, slice.promise]).then(() => both.resolve())
  const volume = testVolume({ slices: SLICES })
  const source = scriptedSource(
    volume,
    sends(volume, forward, async () => (slice.resolve(), both.promise)),
  )
  const keys = { fetch: async () => (key.resolve(), await both.promise, volume.fileKey) }
  const { delivery } = deliveryOf(t, volume, { source, keys })
  t.equal(await plaintextDigest(await get(delivery, volume), volume), volume.sha256)
})

t.test('other voxels than the first time are refused, and their final frame never leaves', async (t) => {
  const it = started(t, (volume) => sends(volume, forward))
  const first = it.volume.record
  const known = createHash('sha256').update('the first plaintext').digest('hex')
  const other = { ...it.volume, record: { ...first, plaintextSha256: known } }
  const lease = await it.delivery.open(other.record, { signal: forever })
  const got: Buffer[] = []
  await t.rejects(
    (async () => {
      for await (const chunk of stream(lease)) got.push(chunk as Buffer)
    })(),
    { code: 'MDM_SOURCE_CHANGED' },
  )
  await t.rejects(plaintextDigest(Buffer.concat(got), it.volume), { code: 'MDM_CONTAINER' })
  t.same(it.digests, [], 'nothing new is recorded')
  t.equal(filesIn(it.spoolDir).size, 0)
})

t.test('the same voxels as the first time are sealed', async (t) => {
  const it = started(t, (volume) => sends(volume, forward))
  const record = { ...it.volume.record, plaintextSha256: it.volume.sha256 }
  t.equal(
    await plaintextDigest(await get(it.delivery, { ...it.volume, record }), it.volume),
    it.volume.sha256,
  )
})

t.test('a catalog that knows another digest by now stops the final frame', async (t) => {
  const catalog = { recordDigest: () => Promise.reject(new MdmError('MDM_SOURCE_CHANGED')) }
  await isCut(
    t,
    started(t, (volume) => sends(volume, forward), { catalog }),
    'MDM_SOURCE_CHANGED',
  )
})

t.test('the end of a preparation is known for ten minutes', async (t) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const it = started(t, (volume) => sends(volume, [0, 1]), { now: () => now })
  const lease = await it.delivery.open(it.volume.record, { signal: forever })
  await t.rejects(bytesOf(stream(lease)), { code: 'MDM_SOURCE_INCOMPLETE' })
  const report = () => it.delivery.report(it.volume.record.guid, lease.etag)
  now = new Date('2026-01-01T00:09:59Z')
  t.equal(report()?.report.code, 'MDM_SOURCE_INCOMPLETE')
  now = new Date('2026-01-01T00:10:01Z')
  t.equal(report(), undefined)
})

t.test('after a failure the next get begins anew', async (t) => {
  const script = (volume: TestVolume): Script =>
    async function* (wanted, attempt) {
      for (const k of wanted) if (attempt > 2 || k !== 3) yield volume.instance(k)
    }
  const it = started(t, script)
  await isCut(t, it, 'MDM_SOURCE_INCOMPLETE')
  t.equal(await plaintextDigest(await get(it.delivery, it.volume), it.volume), it.volume.sha256)
})
