import t from 'tap'
import { sends, until } from '../deliver/fixture.ts'
import { alice, bob, finished, person, states, tokenOfTurl, volumesOf, world } from './fixture.ts'

const SIZE = { columns: 64, rows: 64, slices: 2 }

t.test('a caller has so many open files and no more, all his proxies together', async (t) => {
  const w = await world(t, { volumes: volumesOf(3), limits: { openFiles: 3 } })
  const proxy = person('alice', { spki: 'f'.repeat(64), proxy: 'limited' })
  const first = await finished(w, alice, await w.get(alice, 0, 1))
  await t.rejects(w.get(proxy, 1, 2), { code: 'MDM_LIMIT' })
  t.strictSame(states(await finished(w, proxy, await w.get(proxy, 2))), ['READY'])
  t.strictSame(states(await finished(w, bob, await w.get(bob, 0, 1, 2))), ['READY', 'READY', 'READY'])
  await t.rejects(w.get(alice, 0), { code: 'MDM_LIMIT' })
  await w.requests.release(alice, 'get', first.token, [w.surl(0)])
  t.strictSame(states(await w.get(alice, 0)), ['READY'])
})

t.test('many at once do not slip through the limit', async (t) => {
  const w = await world(t, { volumes: volumesOf(1), limits: { openFiles: 5 } })
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => w.get(alice, 0)))
  t.equal(all.filter(({ status }) => status === 'fulfilled').length, 5)
})

t.test('of requests that have ended so many files are known as may be open, the newest', async (t) => {
  const w = await world(t, { volumes: volumesOf(1), limits: { openFiles: 2 } })
  const tokens: string[] = []
  for (let i = 0; i < 4; i++) {
    const { token } = await w.get(alice, 0)
    tokens.push(token)
    await w.requests.release(alice, 'get', token)
  }
  for (const old of tokens.slice(0, 2))
    await t.rejects(w.requests.find(alice, 'get', old), { code: 'MDM_NOT_FOUND' })
  for (const late of tokens.slice(2)) t.match((await w.requests.find(alice, 'get', late)).token, late)
  await w.requests.close()
  t.equal((await w.db.selectFrom('srm_requests').selectAll().execute()).length, 2)
})

t.test('a pin ends by the clock, and its URL and its place in the spool with it', async (t) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const w = await world(t, { volumes: volumesOf(2), now: () => now })
  const request = await finished(w, alice, await w.get(alice, 0))
  const turl = tokenOfTurl(request.files[0]!.turl)
  t.equal(
    request.files[0]!.pinnedUntil!.toISOString(),
    '2026-01-01T01:00:00.000Z',
    'an hour where none is asked for',
  )
  const files = w.asked(1)
  const short = await w.requests.open(alice, { kind: 'get', files, pinSeconds: 10, requestId: 'r' })
  const long = await w.requests.open(alice, { kind: 'get', files, pinSeconds: 1e9, requestId: 'r' })
  const endOf = async (token: string) =>
    (await finished(w, alice, { token, kind: 'get' })).files[0]!.pinnedUntil?.toISOString()
  t.equal(await endOf(short.token), '2026-01-01T00:00:10.000Z')
  t.equal(await endOf(long.token), '2026-01-02T00:00:00.000Z')
  now = new Date('2026-01-01T00:59:59.999Z')
  t.ok(w.requests.turlOf(alice, turl))
  t.strictSame(states(await w.requests.find(alice, 'get', short.token)), ['EXPIRED'])
  t.equal(w.requests.counts().pinnedFiles, 2)
  now = new Date('2026-01-01T01:00:00.000Z')
  t.equal(w.requests.turlOf(alice, turl), undefined)
  t.equal(w.requests.counts().pinnedFiles, 1)
  const [file] = (await w.requests.find(alice, 'get', request.token)).files
  t.match(file, { state: 'EXPIRED' })
  t.notOk(file!.turl)
  await until(() => w.delivery.counts().spoolIdleBytes === w.volumes[0]!.record.containerBytes)
})

t.test('a pin ends by its timer too, when nobody asks', async (t) => {
  const w = await world(t, { volumes: volumesOf(1) })
  const files = w.asked(0)
  const began = performance.now()
  await finished(
    w,
    alice,
    await w.requests.open(alice, { kind: 'get', files, pinSeconds: 1, requestId: 'r' }),
  )
  const { spoolIdleBytes } = w.delivery.counts()
  if (performance.now() - began < 1_000) t.equal(spoolIdleBytes, 0, 'while it lasts')
  await until(() => w.delivery.counts().spoolIdleBytes > 0)
})

t.test('a pin is extended as far as the site allows, and never shortened', async (t) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const w = await world(t, { volumes: volumesOf(2), now: () => now, limits: { maxPinSeconds: 7_200 } })
  const { token } = await finished(w, alice, await w.get(alice, 0, 1))
  const ends = async (seconds: number) =>
    (await w.requests.extend(alice, 'get', token, { seconds, surls: [w.surl(1)] })).files.map(
      ({ pinnedUntil }) => pinnedUntil!.toISOString().slice(11, 16),
    )
  t.strictSame(await ends(5_400), ['01:00', '01:30'])
  t.strictSame(await ends(60), ['01:00', '01:30'])
  t.strictSame(await ends(1e9), ['01:00', '02:00'])
  now = new Date('2026-01-01T01:00:00Z')
  t.strictSame(states(await w.requests.extend(alice, 'get', token, { seconds: 60 })), ['EXPIRED', 'READY'])
})

t.test('a request that ended is known a little longer, and then by nobody', async (t) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const never = new Promise<void>(() => {})
  const w = await world(t, {
    ...{ volumes: volumesOf(1), now: () => now },
    script: (volume) => sends(volume, [0], () => never),
  })
  const { token } = await w.get(alice, 0)
  now = new Date('2026-01-02T00:00:00Z')
  t.strictSame(states(await w.requests.find(alice, 'get', token)), ['EXPIRED'])
  now = new Date('2026-01-02T00:10:00Z')
  await t.rejects(w.requests.find(alice, 'get', token), { code: 'MDM_NOT_FOUND' })
  await w.requests.close()
  t.strictSame(await w.db.selectFrom('srm_files').selectAll().execute(), [])
})

t.test('what finds no room in the spool waits until another pin ends', async (t) => {
  const volumes = volumesOf(3, SIZE)
  const { containerBytes } = volumes[0]!.record
  // one preparation needs about twice its container; two sealed ones and a third do not fit
  const w = await world(t, {
    volumes,
    quotaBytes: Math.floor(3.5 * containerBytes),
    limits: { pinnedShare: 1 },
  })
  const first = await finished(w, alice, await w.get(alice, 0))
  const second = await finished(w, bob, await w.get(bob, 1))
  const third = await w.get(person('carol'), 2)
  t.strictSame(states(third), ['QUEUED'])
  t.equal(w.reads(2), 0)
  await w.requests.release(alice, 'get', first.token)
  t.strictSame(states(await finished(w, person('carol'), third)), ['READY'])
  t.strictSame(
    states(await w.requests.find(bob, 'get', second.token)),
    ['READY'],
    'a pin is never taken away',
  )
  t.strictSame([0, 1, 2].map(w.reads), [1, 1, 1])
})

t.test('room that another reader lets go of is found too', async (t) => {
  const volumes = volumesOf(2, SIZE)
  const w = await world(t, { volumes, quotaBytes: Math.floor(2.5 * volumes[0]!.record.containerBytes) })
  const reader = await w.delivery.open(volumes[0]!.record, { signal: new AbortController().signal })
  const waiting = await w.get(alice, 1)
  t.strictSame(states(waiting), ['QUEUED'])
  reader.release()
  t.strictSame(states(await finished(w, alice, waiting)), ['READY'])
})

t.test('what can never fit fails, and what waited for room to the end of its request', async (t) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const [small, other, large] = [
    volumesOf(2, SIZE),
    volumesOf(1, { columns: 64, rows: 64, slices: 9 }),
  ].flat()
  for (const [i, volume] of [small, other, large].entries())
    Object.assign(volume!.record, { source: `s${i}` })
  const w = await world(t, {
    ...{ volumes: [small!, other!, large!], now: () => now, limits: { pinnedShare: 1 } },
    quotaBytes: Math.floor(2.5 * small!.record.containerBytes),
  })
  t.match((await w.get(alice, 2)).files, [{ state: 'FAILED', code: 'MDM_SPOOL_FULL' }])
  const files = w.asked(0)
  await finished(
    w,
    alice,
    await w.requests.open(alice, { kind: 'get', files, pinSeconds: 1e6, requestId: 'r' }),
  )
  now = new Date('2026-01-01T12:00:00Z')
  const [, pinned] = [await w.get(bob, 1), await w.get(alice, 0)]
  await w.requests.extend(alice, 'get', pinned.token, { seconds: 1e6 })
  const waiting = await w.get(bob, 1)
  now = new Date('2026-01-02T00:00:00Z')
  t.strictSame(states(await w.requests.find(bob, 'get', waiting.token)), ['QUEUED'])
  now = new Date(waiting.created.getTime() + 24 * 3_600_000)
  t.match((await w.requests.find(bob, 'get', waiting.token)).files, [
    { state: 'FAILED', code: 'MDM_SPOOL_FULL' },
  ])
})

t.test('one caller takes his part of the spool; what is beyond waits for what he lets go of', async (t) => {
  const volumes = volumesOf(4, SIZE)
  const { containerBytes } = volumes[0]!.record
  const w = await world(t, { volumes, quotaBytes: 10 * containerBytes, limits: { pinnedShare: 0.25 } })
  const mine = await w.get(alice, 0, 1, 0)
  await until(() => w.requests.counts().pinnedFiles === 3)
  const more = await w.get(alice, 2, 3)
  t.strictSame(states(more), ['QUEUED', 'QUEUED'])
  t.strictSame(states(await finished(w, bob, await w.get(bob, 2))), ['READY'], 'it is his part alone')
  await w.requests.release(alice, 'get', mine.token, [w.surl(0)])
  await until(() => w.requests.counts().pinnedFiles === 3)
  t.strictSame(states(await w.requests.find(alice, 'get', more.token)), ['READY', 'QUEUED'])
  await w.requests.release(alice, 'get', more.token)
  t.strictSame(states(await w.requests.find(alice, 'get', mine.token)), ['RELEASED', 'READY', 'RELEASED'])
  const tiny = await world(t, { volumes, quotaBytes: 10 * containerBytes, limits: { pinnedShare: 0.05 } })
  t.match((await tiny.get(alice, 0)).files, [{ state: 'FAILED', code: 'MDM_SPOOL_FULL' }])
})

t.test('2,000 requests at a time for 50 volumes end, and each volume is read once', async (t) => {
  const w = await world(t, { volumes: volumesOf(50) })
  const callers = Array.from({ length: 20 }, (_, i) => person(`user${i}`))
  const requests = await Promise.all(
    Array.from({ length: 2_000 }, async (_, i) => {
      const caller = callers[i % callers.length]!
      return await finished(w, caller, await w.get(caller, (7 * i) % 50))
    }),
  )
  t.ok(requests.every((request) => states(request)[0] === 'READY'))
  t.equal(new Set(requests.map(({ token }) => token)).size, 2_000)
  t.equal(new Set(requests.map(({ files }) => files[0]!.turl)).size, 2_000)
  t.strictSame(
    w.volumes.map((_, i) => w.reads(i)),
    w.volumes.map(() => 1),
  )
  t.equal(w.requests.counts().pinnedFiles, 2_000)
  await Promise.all(
    requests.map(({ token }, i) => w.requests.release(callers[i % callers.length]!, 'get', token)),
  )
  t.match(w.requests.counts(), { openRequests: 0, pinnedBytes: 0 })
})

t.test('what is not wanted any more gives its place in the queue for room to what fits', async (t) => {
  const [small, large] = [volumesOf(2, SIZE), volumesOf(1, { ...SIZE, slices: 6 })]
  const volumes = [small[0]!, large[0]!, small[1]!]
  for (const [i, { record }] of volumes.entries()) Object.assign(record, { source: `s${i}` })
  const [first, second] = volumes.map(({ record }) => record.containerBytes)
  const w = await world(t, {
    ...{ volumes, quotaBytes: 2 * (first! + second!) },
    limits: { pinnedShare: second! / (2 * (first! + second!)) + 0.01 },
  })
  t.strictSame(states(await finished(w, alice, await w.get(alice, 0))), ['READY'])
  const waiting = await w.get(alice, 1)
  const behind = await w.get(alice, 2)
  t.strictSame([...states(waiting), ...states(behind)], ['QUEUED', 'QUEUED'])
  await w.requests.release(alice, 'get', waiting.token)
  t.strictSame(states(await finished(w, alice, behind)), ['READY'])
})

t.test('who waited for room until his right had gone is not told that his file is there', async (t) => {
  const volumes = volumesOf(2, SIZE)
  let now = new Date('2026-01-01T00:00:00Z')
  const { containerBytes, guid } = volumes[1]!.record
  const limits = { pinnedShare: (1.5 * containerBytes) / 1024 ** 3 }
  const w = await world(t, { volumes, limits, now: () => now })
  const first = await finished(w, alice, await w.get(alice, 0))
  await finished(w, bob, await w.get(bob, 1))
  const second = await w.get(alice, 1)
  t.strictSame(states(second), ['QUEUED'])
  now = new Date('2026-01-01T00:10:00Z')
  w.rights.read.set('*', new Set([volumes[0]!.record.guid]))
  w.rights.read.set('CN=bob', new Set([guid]))
  await w.requests.release(alice, 'get', first.token)
  await until(() => w.requests.counts().pinnedFiles === 1)
  t.match((await w.requests.find(alice, 'get', second.token)).files, [
    { state: 'FAILED', code: 'MDM_DENIED' },
  ])
  t.match((await w.requests.find(bob, 'get', second.token).catch((error) => error)).code, 'MDM_NOT_FOUND')
})

t.test('a caller with much does not hold up one with little', async (t) => {
  const order: number[] = []
  const gates = Array.from({ length: 40 }, () => Promise.withResolvers<void>())
  const w = await world(t, {
    volumes: volumesOf(40),
    script: (volume, i) => {
      const send = sends(volume, [0, 1], () => gates[i]!.promise)
      return (...args) => (order.push(i), send(...args))
    },
  })
  await w.get(alice, ...Array.from({ length: 39 }, (_, i) => i))
  t.equal(order.length, 12, 'no more of one caller are begun at a time')
  await w.get(bob, 39)
  t.equal(order[12], 39, 'another’s is begun at once, though none of them moves')
  t.equal(order.length, 13)
  gates[0]!.resolve()
  await until(() => order.length === 14)
  for (const { resolve } of gates) resolve()
})
