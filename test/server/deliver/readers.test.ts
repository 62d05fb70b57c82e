import { MdmError } from '@mdm/core/errors'
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
  scriptedSource,
  sends,
  stream,
  testVolume,
  until,
} from './fixture.ts'

const SLICES = 8

/** A volume whose source waits before each slice until `pass(n)` let n slices through. */
function gated(t: Test, o: Partial<DeliveryOptions> & { order?: number[] } = {}) {
  const { order = ORDERS.forward(SLICES), ...options } = o
  const volume = testVolume({ columns: 512, rows: 512, slices: SLICES })
  let allowed = 0
  let sent = 0
  let wake = Promise.withResolvers<void>()
  const gate = async () => {
    const mine = sent++
    while (mine >= allowed) await wake.promise
  }
  const pass = (n: number) => {
    allowed = n
    wake.resolve()
    wake = Promise.withResolvers()
  }
  const source = scriptedSource(volume, sends(volume, order, gate))
  return { volume, pass, source, ...deliveryOf(t, volume, { source, ...options }) }
}

t.test('two readers of a filling preparation get one container, prepared once', async (t) => {
  const { delivery, volume, pass, source } = gated(t)
  pass(1)
  const first = await delivery.open(volume.record, { signal: forever })
  const one = bytesOf(stream(first))
  pass(3)
  const second = await delivery.open(volume.record, { signal: forever })
  t.equal(second.etag, first.etag)
  const two = bytesOf(stream(second))
  t.match(delivery.report(volume.record.guid, first.etag), { report: { state: 'FILLING' } })
  pass(SLICES)
  t.ok((await one).equals(await two))
  t.equal(await plaintextDigest(await one, volume), volume.sha256)
  t.equal(source.attempts, 1)
  t.match(delivery.report(volume.record.guid, first.etag), { report: { state: 'SEALED' } })
})

t.test('a record is read where a preparation must begin, and by nobody after', async (t) => {
  const { delivery, volume, pass, source } = gated(t)
  const { guid, version, kid, profile } = volume.record
  let reads = 0
  const unread = {
    ...{ guid, version, kid, profile },
    async read() {
      reads++
      return volume.record
    },
  }
  const gone = { ...unread, read: () => Promise.reject(new MdmError('MDM_NOT_FOUND')) }
  await t.rejects(delivery.open(gone, { signal: forever }), { code: 'MDM_NOT_FOUND' })
  t.equal(source.attempts, 0, 'what cannot be read is not begun')
  pass(SLICES)
  const leases = await Promise.all([1, 2].map(() => delivery.open(unread, { signal: forever })))
  t.equal(reads, 2, 'each finds that nothing has begun')
  t.equal(leases[0]!.etag, leases[1]!.etag)
  const [one, two] = await Promise.all(leases.map((lease) => bytesOf(stream(lease))))
  t.ok(one!.equals(two!))
  t.equal(source.attempts, 1, 'and one of them begins')
  const third = await delivery.open(unread, { signal: forever })
  t.ok((await bytesOf(stream(third))).equals(one!))
  t.equal(reads, 2)

  const other = { ...unread, version: version + 1 }
  const reading = Promise.withResolvers<typeof volume.record>()
  const late = delivery.open({ ...other, read: () => reading.promise }, { signal: forever })
  await delivery.close()
  reading.resolve({ ...volume.record, version: version + 1 })
  await t.rejects(late, { code: 'MDM_UNREACHABLE' })
  t.equal(source.attempts, 1, 'nothing begins once the site stops')
})

t.test('length and message id are known while nothing but the first slice is there', async (t) => {
  const { delivery, volume, pass } = gated(t)
  pass(1)
  const lease = await delivery.open(volume.record, { signal: forever })
  t.equal(lease.length, volume.record.containerBytes)
  t.match(lease.etag, /^[A-Za-z0-9_-]{43}$/)
  lease.release()
})

t.test('a part far ahead waits until it is there, and is that part of the whole', async (t) => {
  const { delivery, volume, pass } = gated(t, { order: ORDERS.reversed(SLICES) })
  pass(1)
  const lease = await delivery.open(volume.record, { signal: forever })
  const span = { start: 2_000_000, end: 2_300_001 }
  let there = false
  const part = bytesOf(stream(lease, span)).finally(() => (there = true))
  pass(SLICES - 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(there, false, 'slice 0 has not come, so nothing is contiguous')
  pass(SLICES)
  const whole = await get(delivery, volume)
  t.ok((await part).equals(whole.subarray(span.start, span.end)))
})

t.test('a part that is there already does not wait for the rest', async (t) => {
  const { delivery, volume, pass } = gated(t)
  pass(3)
  const lease = await delivery.open(volume.record, { signal: forever })
  const part = await bytesOf(stream(lease, { start: 100, end: 1_000_000 }))
  t.equal(part.length, 999_900)
  const rest = get(delivery, volume)
  pass(SLICES)
  t.ok((await rest).subarray(100, 1_000_000).equals(part))
})

t.test('the final frame is withheld until every slice has come and the digest is recorded', async (t) => {
  const recorded = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const catalog = { recordDigest: async () => (asked.resolve(), recorded.promise) }
  const { delivery, volume, pass } = gated(t, { catalog })
  pass(SLICES)
  const lease = await delivery.open(volume.record, { signal: forever })
  let got = 0
  const reader = stream(lease).on('data', (chunk: Buffer) => (got += chunk.length))
  await asked.promise
  await until(() => got > lease.length - 65_536 - 100)
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.ok(got < lease.length, 'the end is not there')
  t.equal(reader.readableEnded, false)
  recorded.resolve()
  await until(() => reader.readableEnded)
  t.equal(got, lease.length)
})

t.test('a reader that does not read holds neither the preparation nor another reader', async (t) => {
  const { delivery, volume, pass } = gated(t)
  pass(SLICES)
  const slow = stream(await delivery.open(volume.record, { signal: forever }))
  t.equal(await plaintextDigest(await get(delivery, volume), volume), volume.sha256)
  t.equal(await plaintextDigest(await bytesOf(slow), volume), volume.sha256)
})

t.test('a reader that leaves while it waits is forgotten; the other goes on', async (t) => {
  const { delivery, volume, pass } = gated(t)
  pass(1)
  const leaving = stream(await delivery.open(volume.record, { signal: forever }))
  const staying = get(delivery, volume)
  leaving.resume()
  await new Promise((resolve) => setTimeout(resolve, 20))
  leaving.destroy()
  pass(SLICES)
  t.equal(await plaintextDigest(await staying, volume), volume.sha256)
})

t.test('without reader or pin an unfinished preparation is given up and the source let go', async (t) => {
  const { delivery, volume, spoolDir, pass } = gated(t, { idleMs: 40 })
  pass(2)
  const lease = await delivery.open(volume.record, { signal: forever })
  const reader = stream(lease)
  reader.resume()
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.match(
    delivery.report(volume.record.guid, lease.etag),
    { report: { state: 'FILLING' } },
    'a reader keeps it',
  )
  reader.destroy()
  await until(() => delivery.report(volume.record.guid, lease.etag)?.report.state === 'EXPIRED')
  t.ok(lease.preparation.signal.aborted)
  await until(() => filesIn(spoolDir).size === 0)
})

t.test('a pin keeps an unfinished preparation without any reader', async (t) => {
  const { delivery, volume, pass } = gated(t, { idleMs: 20 })
  pass(2)
  const pin = await delivery.open(volume.record, { signal: forever })
  await new Promise((resolve) => setTimeout(resolve, 80))
  t.match(delivery.report(volume.record.guid, pin.etag), { report: { state: 'FILLING' } })
  pass(SLICES)
  t.equal(await plaintextDigest(await get(delivery, volume), volume), volume.sha256)
  pin.release()
})

t.test('a reader who comes back in time goes on with the same container', async (t) => {
  const { delivery, volume, pass } = gated(t, { idleMs: 60_000 })
  pass(2)
  const lease = await delivery.open(volume.record, { signal: forever })
  lease.release()
  pass(SLICES)
  const again = await delivery.open(volume.record, { signal: forever })
  t.equal(again.etag, lease.etag)
  t.equal(await plaintextDigest(await bytesOf(stream(again)), volume), volume.sha256)
})

t.test('a caller who goes while the key is fetched ends the waiting', async (t) => {
  const keys = { fetch: () => new Promise<never>(() => undefined) }
  const { delivery, volume } = gated(t, { keys, idleMs: 10 })
  const gone = new AbortController()
  const opening = delivery.open(volume.record, { signal: gone.signal })
  gone.abort(new Error('gone'))
  await t.rejects(opening, { message: 'gone' })
})

t.test('stopping the site gives up what is unfinished and leaves no file of it', async (t) => {
  const { delivery, volume, spoolDir, pass } = gated(t)
  pass(2)
  const reading = get(delivery, volume)
  reading.catch(() => undefined)
  await until(() => filesIn(spoolDir).size > 0)
  await delivery.close()
  await t.rejects(reading)
  t.equal(filesIn(spoolDir).size, 0)
})
