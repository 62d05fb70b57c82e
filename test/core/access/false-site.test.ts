import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openVolume } from '@mdm/core/access/decrypt'
import { getRaw } from '@mdm/core/access/raw'
import { newGuid, newKid } from '@mdm/core/names'
import { gather } from '../crypto/container-samples.ts'
import { startLoopbackGrid, type Sent } from './loopback-grid.ts'

const withHeaders = (sent: Sent, headers: Sent['headers']): Sent => ({
  ...sent,
  headers: { ...sent.headers, ...headers },
})

t.test('a GUID answered with another volume or version is refused before any of it is used', async (t) => {
  const grid = await startLoopbackGrid(t)
  const { guid } = grid.key.options
  grid.change = (sent) => withHeaders(sent, { 'mdm-guid': newGuid() })
  await t.rejects(getRaw(grid.session, { guid }), { code: 'MDM_INTEGRITY' }, 'level 1')
  await t.rejects(openVolume(grid.session, { guid }), { code: 'MDM_INTEGRITY' }, 'level 2')
  grid.change = (sent) => withHeaders(sent, { 'mdm-version': 2 })
  await t.rejects(getRaw(grid.session, { guid, version: 1 }), { code: 'MDM_INTEGRITY' }, 'another version')
  await t.rejects(openVolume(grid.session, { guid }), { code: 'MDM_INTEGRITY' }, 'than the container is of')
})

t.test('the right headers over the container of another volume, version or key do not help', async (t) => {
  const grid = await startLoopbackGrid(t)
  const { guid } = grid.key.options
  grid.serve(await grid.seal({ guid: newGuid() }))
  await t.rejects(openVolume(grid.session, { guid }), { code: 'MDM_INTEGRITY' })
  grid.serve(await grid.seal({ version: 2 }))
  await t.rejects(openVolume(grid.session, { guid }), { code: 'MDM_INTEGRITY' })
  grid.serve(await grid.seal({ kid: newKid() }))
  await t.rejects(openVolume(grid.session, { guid }), { code: 'MDM_DENIED' }, 'no server has that key')
})

t.test('a container without the headers of its contract is refused', async (t) => {
  const grid = await startLoopbackGrid(t)
  const { guid } = grid.key.options
  const bad: Record<string, Sent['headers']> = {
    'no GUID': { 'mdm-guid': 'none' },
    'no kid': { 'mdm-kid': '' },
    'no version': { 'mdm-version': 'one' },
    'no ETag': { etag: '"short"' },
    'a weak ETag': { etag: `W/"${'A'.repeat(43)}"` },
    'a range nobody asked for': { 'content-range': 'bytes 0-1/2' },
  }
  for (const [what, headers] of Object.entries(bad)) {
    grid.change = (sent) => withHeaders(sent, headers)
    await t.rejects(getRaw(grid.session, { guid }), { code: 'MDM_BAD_REQUEST' }, what)
  }
  grid.change = (sent) => withHeaders(sent, { 'mdm-kid': 'none' })
  const faults: unknown[] = []
  await t.rejects(openVolume(grid.session, { guid }, { onFault: (fault) => faults.push(fault) }), {
    code: 'MDM_BAD_REQUEST',
  })
  t.same(faults, [], 'and no key server is blamed for it')
})

t.test('a body that the site cuts gives the reason of the site, not a network error', async (t) => {
  const grid = await startLoopbackGrid(t)
  const { guid } = grid.key.options
  const read = async () => {
    const raw = await getRaw(grid.session, { guid })
    return await gather(raw.body)
  }
  grid.change = (sent) => ({ ...sent, cutAfter: 100_000 })
  for (const code of ['MDM_SOURCE_CHANGED', 'MDM_SOURCE_INCOMPLETE', 'MDM_SOURCE_UNREACHABLE']) {
    grid.preparation = { state: 'FAILED', code, message: 'the site says why' }
    await t.rejects(read(), { code, message: 'the site says why' })
  }
  const others = {
    'a preparation that goes on': { state: 'FILLING', contiguous: 2 },
    'a code we do not know': { state: 'FAILED', code: 'MDM_OF_TOMORROW' },
    'nothing of it': undefined,
    nonsense: { state: 3 },
  }
  for (const [what, preparation] of Object.entries(others)) {
    grid.preparation = preparation
    await t.rejects(read(), { code: 'MDM_UNREACHABLE' }, `the site knows ${what}`)
  }
  const etag = /preparations\/(.{43})$/.exec(grid.site.requests.at(-1)!)?.[1]
  grid.change = (sent) => sent
  t.equal((await getRaw(grid.session, { guid })).etag, etag, 'it was asked about this very container')
})

t.test('a cut while a volume is read gives that reason too', async (t) => {
  const grid = await startLoopbackGrid(t)
  const volume = await openVolume(grid.session, { guid: grid.key.options.guid })
  grid.change = (sent) => ({ ...sent, cutAfter: 70_000 })
  grid.preparation = { state: 'FAILED', code: 'MDM_SOURCE_CHANGED' }
  await t.rejects(volume.read(0, grid.plaintext.length), { code: 'MDM_SOURCE_CHANGED' })
  grid.change = (sent) => sent
  t.ok((await volume.read(0, grid.plaintext.length)).equals(grid.plaintext), 'and the volume is still open')
  await volume.close()
})

t.test('a changed bit, a frame elsewhere, a frame of before: none is given out', async (t) => {
  const grid = await startLoopbackGrid(t)
  const volume = await openVolume(grid.session, { guid: grid.key.options.guid })
  const changes: Record<string, (bytes: Buffer) => void> = {
    'a bit': (b) => void (b[b.length >> 1]! ^= 1),
    'two frames for each other': (b) => b.copyWithin(0, 65_568, 131_136),
    noise: (b) => void randomBytes(b.length).copy(b),
  }
  for (const [what, change] of Object.entries(changes)) {
    grid.change = (sent) => {
      const container = Buffer.from(sent.container)
      change(container)
      return { ...sent, container }
    }
    await t.rejects(volume.read(65_536, 131_072), { code: 'MDM_CONTAINER' }, what)
  }
  await volume.close()
})

t.test('a container sealed anew between two reads is noticed, and the bytes are right', async (t) => {
  const grid = await startLoopbackGrid(t)
  const volume = await openVolume(grid.session, { guid: grid.key.options.guid })
  for (let round = 0; round < 3; round++) {
    t.ok((await volume.slice(round)).equals(slice(round)), 'before')
    grid.serve(await grid.seal())
    t.ok((await volume.slice(round + 5)).equals(slice(round + 5)), 'after')
  }

  grid.serve(await grid.seal())
  const many = await Promise.all(Array.from({ length: 8 }, (_, k) => volume.slice(k)))
  t.ok(
    many.every((voxels, k) => voxels.equals(slice(k))),
    'also when several reads notice at once',
  )

  const chunks: Buffer[] = []
  for await (const chunk of volume.stream()) {
    chunks.push(Buffer.from(chunk))
    if (chunks.length > 1) continue
    grid.serve(await grid.seal())
    t.ok((await volume.slice(3)).equals(slice(3)), 'another read, while a stream is under way')
  }
  t.ok(Buffer.concat(chunks).equals(grid.plaintext), 'and the stream goes on with its own container')

  grid.serve(grid.seal)
  await t.rejects(volume.slice(0), { code: 'MDM_INTEGRITY' }, 'a site that changes every time is given up')
  await volume.close()
  await t.rejects(volume.slice(0), Error, 'a closed volume gives nothing')

  function slice(k: number): Buffer {
    const bytes = (grid.plaintext.length - volume.headerBytes) / grid.volume.slices
    return grid.plaintext.subarray(volume.headerBytes + k * bytes, volume.headerBytes + (k + 1) * bytes)
  }
})

t.test('what lies outside the volume is refused before anything is fetched', async (t) => {
  const grid = await startLoopbackGrid(t)
  const volume = await openVolume(grid.session, { guid: grid.key.options.guid })
  const asked = grid.site.requests.length
  const end = grid.plaintext.length
  const ranges = [
    [-1, 1],
    [0, -1],
    [0, end + 1],
    [end, 1],
    [end + 1, 0],
    [0, 2 ** 52],
    [0, Infinity],
    [0, NaN],
    [NaN, 1],
    [0.5, 1],
    [0, 0.5],
    [2 ** 53, 1],
  ] as const
  for (const [offset, length] of ranges)
    await t.rejects(volume.read(offset, length), { code: 'MDM_RANGE' }, `${length} bytes from ${offset}`)
  for (const k of [-1, grid.volume.slices, 0.5, NaN])
    await t.rejects(volume.slice(k), { code: 'MDM_RANGE' }, `slice ${k}`)
  t.throws(() => volume.stream({ slices: [3, 2] }), { code: 'MDM_RANGE' })
  t.equal((await volume.read(end, 0)).length, 0, 'nothing at the end is nothing')
  t.equal(grid.site.requests.length, asked)
  await volume.close()
})
