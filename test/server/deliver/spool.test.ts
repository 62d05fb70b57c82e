import { readdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import {
  bytesOf,
  deliveryOf,
  filesIn,
  forever,
  get,
  ORDERS,
  plaintextDigest,
  scriptedSource,
  sends,
  stream,
  testVolume,
  type TestVolume,
  until,
} from './fixture.ts'

const SIZE = { columns: 256, rows: 256, slices: 4 }
const sourceOf = (volume: TestVolume) => scriptedSource(volume, sends(volume, ORDERS.forward(SIZE.slices)))
const sealedOnly = (spoolDir: string) => readdirSync(spoolDir).every((name) => !name.includes('.'))

t.test('spool files are for us alone and named by the random message id', async (t) => {
  const volume = testVolume(SIZE)
  const { delivery, spoolDir } = deliveryOf(t, volume, { source: sourceOf(volume) })
  const lease = await delivery.open(volume.record, { signal: forever })
  await bytesOf(stream(lease))
  await until(() => sealedOnly(spoolDir))
  t.same(readdirSync(spoolDir), [lease.etag])
  t.equal(statSync(path.join(spoolDir, lease.etag)).mode & 0o777, 0o600)
})

t.test('the folder is made for us alone', async (t) => {
  const volume = testVolume(SIZE)
  const spoolDir = path.join(t.testdir(), 'deep', 'spool')
  deliveryOf(t, volume, { source: sourceOf(volume), spoolDir })
  t.equal(statSync(spoolDir).mode & 0o777, 0o700)
})

t.test('after a restart what was sealed is served without source or key', async (t) => {
  const volume = testVolume(SIZE)
  const before = deliveryOf(t, volume, { source: sourceOf(volume) })
  const container = await get(before.delivery, volume)
  await before.delivery.close()
  const none = { fetch: () => Promise.reject(new Error('no key is needed')) }
  const source = scriptedSource(volume, sends(volume, []))
  const after = deliveryOf(t, volume, { source, spoolDir: before.spoolDir, keys: none })
  t.ok((await get(after.delivery, volume)).equals(container))
  t.equal(source.attempts, 0)
  const etag = readdirSync(before.spoolDir)[0]!
  t.match(after.delivery.report(volume.record.guid, etag), { version: 1, report: { state: 'SEALED' } })
})

t.test('after a restart nothing unfinished, cut short or foreign is served', async (t) => {
  const volume = testVolume(SIZE)
  const before = deliveryOf(t, volume, { source: sourceOf(volume) })
  const container = await get(before.delivery, volume)
  await before.delivery.close()
  const { spoolDir } = before
  const [etag] = readdirSync(spoolDir) as [string]
  const other = (letter: string) => path.join(spoolDir, letter.repeat(43))
  truncateSync(path.join(spoolDir, etag), container.length - 1)
  writeFileSync(`${other('A')}.filling`, container.subarray(0, 1000))
  writeFileSync(`${other('B')}.spill`, 'noise')
  writeFileSync(other('C'), container)
  writeFileSync(other('D'), '')
  writeFileSync(other('E'), 'not a container at all, but long enough to be looked at')
  symlinkSync('/etc/passwd', other('F'))
  writeFileSync(path.join(spoolDir, 'lost+found'), 'not ours')
  const source = sourceOf(volume)
  const after = deliveryOf(t, volume, { source, spoolDir })
  t.same(readdirSync(spoolDir), ['lost+found'], 'and what is not ours is left alone')
  t.equal(await plaintextDigest(await get(after.delivery, volume), volume), volume.sha256)
  t.equal(source.attempts, 1, 'it is prepared again')
})

t.test('a crash while filling leaves ciphertext only, which the next start deletes', async (t) => {
  const volume = testVolume({ columns: 60, rows: 60, slices: 600 })
  const stuck = Promise.withResolvers<void>()
  let sent = 0
  const order = ORDERS['even, then odd'](600)
  const gate = async () => (++sent > 500 ? stuck.promise : undefined)
  const source = scriptedSource(volume, sends(volume, order, gate))
  const crashed = deliveryOf(t, volume, { source, windowBytes: 65_536 })
  const lease = await crashed.delivery.open(volume.record, { signal: forever })
  await until(() => sent > 500)
  const { spoolDir } = crashed
  t.same(readdirSync(spoolDir).sort(), [`${lease.etag}.filling`, `${lease.etag}.spill`])
  for (const bytes of filesIn(spoolDir).values()) t.notOk(bytes.includes(volume.marker))
  deliveryOf(t, volume, { source, spoolDir })
  t.same(readdirSync(spoolDir), [])
  lease.release()
})

t.test('a full spool lets the least recently read container go, never one that is read', async (t) => {
  const volumes = [testVolume(SIZE), testVolume(SIZE), testVolume(SIZE), testVolume(SIZE)]
  const [a, b, c, d] = volumes as [TestVolume, TestVolume, TestVolume, TestVolume]
  const sources = new Map(volumes.map((volume, i) => [`s${i}`, sourceOf(volume)]))
  for (const [i, volume] of volumes.entries()) Object.assign(volume.record, { source: `s${i}` })
  const keyOf = new Map(volumes.map(({ record, fileKey }) => [record.guid, fileKey]))
  const keys = { fetch: async (record: { guid: (typeof a)['record']['guid'] }) => keyOf.get(record.guid)! }
  let now = 0
  const bytes = a.record.containerBytes
  const { delivery, spoolDir } = deliveryOf(t, a, {
    source: sourceOf(a),
    sources,
    keys,
    quotaBytes: 4 * bytes + 10_000,
    now: () => new Date(++now),
  })
  /** A container has its name a moment before its preparation is sealed and its spill file's room is free. */
  const isIdle = () => delivery.counts().spoolIdleBytes === delivery.counts().spoolUsedBytes
  const first = await get(delivery, a)
  await get(delivery, b)
  await until(isIdle)
  t.ok((await get(delivery, a)).equals(first), 'a is now the more recently read')
  await get(delivery, c)
  await until(isIdle)
  t.equal(readdirSync(spoolDir).length, 3)
  const held = await delivery.open(b.record, { signal: forever })
  await get(delivery, d)
  await until(() => sealedOnly(spoolDir))
  t.ok((await bytesOf(stream(held))).length === bytes, 'b was held, so it stayed')
  t.equal(sources.get('s1')!.attempts, 1)
  await get(delivery, a)
  t.equal(sources.get('s0')!.attempts, 2, 'a had gone and was prepared again')
})

t.test('a spool without room is a refusal before source or key are asked', async (t) => {
  const volume = testVolume(SIZE)
  const source = sourceOf(volume)
  const keys = { fetch: () => Promise.reject(new Error('the key was asked for')) }
  const quotaBytes = volume.record.containerBytes + 1
  const { delivery } = deliveryOf(t, volume, { source, keys, quotaBytes })
  await t.rejects(delivery.open(volume.record, { signal: forever }), {
    code: 'MDM_SPOOL_FULL',
    details: { limitBytes: quotaBytes },
  })
  t.equal(source.attempts, 0)
})

t.test('a failed preparation gives its room back', async (t) => {
  const volume = testVolume(SIZE)
  const good = sends(volume, ORDERS.forward(SIZE.slices))
  const source = scriptedSource(volume, (asked, attempt, signal) =>
    attempt <= 2 ? sends(volume, [0])(asked, attempt, signal) : good(asked, attempt, signal),
  )
  const quotaBytes = 2 * volume.record.containerBytes + 10_000
  const { delivery } = deliveryOf(t, volume, { source, quotaBytes })
  await t.rejects(get(delivery, volume), { code: 'MDM_SOURCE_INCOMPLETE' })
  t.equal(await plaintextDigest(await get(delivery, volume), volume), volume.sha256)
})
