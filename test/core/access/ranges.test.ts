import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { decryptFile, openVolume } from '@mdm/core/access/decrypt'
import { metadataOf } from '@mdm/core/access/metadata'
import { getRaw } from '@mdm/core/access/raw'
import { parsePrincipal } from '@mdm/core/acl/principal'
import { frameSpan, framesHolding } from '@mdm/core/crypto/container/profile'
import { parseContainerHeader } from '@mdm/core/crypto/container/reader'
import { newGuid } from '@mdm/core/names'
import { sliceSpan } from '@mdm/core/volume/volume'
import { generator } from '../../fixtures/random.ts'
import { emptySpool, restartSite } from '../../fixtures/site-process.ts'
import { gather } from '../crypto/container-samples.ts'
import { countBytes, startRegisteredGrid } from './grid-volume.ts'

const SEED = 20080601

t.test('the three levels over a whole grid, in process', async (t) => {
  const { grid, guid, as } = await startRegisteredGrid(t)
  const admin = await as('admin')
  for (const [user, preset] of [
    ['backup', 'replicate'],
    ['scientist', 'process'],
  ] as const) {
    const to = parsePrincipal(grid.users[user].dn, admin.credential.identity.issuer)
    await grant(admin, guid, { to, preset })
  }
  const scientist = await as('scientist')
  const backup = await as('backup')
  const raw = await getRaw(backup, { guid })
  const container = await gather(raw.body)
  const header = parseContainerHeader(container)!
  const file = join(grid.scratch, 'volume.mdm')
  await writeFile(file, container)

  t.test('level 1 gives the container to one who has no key', async (t) => {
    t.match(raw, { guid, version: 1, bytes: container.length, start: 0, etag: header.etag })
    t.match(header.context, { guid, version: 1, kid: raw.kid })
    const part = await getRaw(backup, { guid }, { range: { start: 1000, end: 70_000 }, ifRange: raw.etag })
    t.match(part, { start: 1000, bytes: container.length })
    t.ok((await gather(part.body)).equals(container.subarray(1000, 70_000)))
    const tail = await getRaw(backup, { guid }, { range: { start: container.length - 10 } })
    t.ok((await gather(tail.body)).equals(container.subarray(-10)))
    const other = await getRaw(backup, { guid }, { range: { start: 1000 }, ifRange: 'A'.repeat(43) })
    t.equal(other.start, 0, 'of another container it is the whole')
    t.ok((await gather(other.body)).equals(container))
    await t.rejects(getRaw(backup, { guid }, { range: { start: container.length } }), { code: 'MDM_RANGE' })
  })

  t.test('each level ends where the right does', async (t) => {
    await t.rejects(openVolume(backup, { guid }), { code: 'MDM_DENIED', details: { preset: 'process' } })
    const stranger = await as('stranger')
    for (const name of [{ guid }, { guid: newGuid() }]) {
      await t.rejects(getRaw(stranger, name), { code: 'MDM_NOT_FOUND' })
      await t.rejects(openVolume(stranger, name), { code: 'MDM_NOT_FOUND' })
      await t.rejects(metadataOf(stranger, name), { code: 'MDM_NOT_FOUND' })
    }
    await t.rejects(
      openVolume(scientist, { guid, version: 2 }),
      { code: 'MDM_NOT_FOUND' },
      'nor a later version',
    )
    await t.rejects(decryptFile(backup, file), { code: 'MDM_NOT_FOUND' }, 'a file of a backup stays shut')
  })

  t.test('a read fetches the frames that hold it and nothing else', async (t) => {
    const volume = await openVolume(scientist, { guid })
    const whole = await gather(volume.stream())
    t.equal(whole.length, volume.plaintextBytes)
    const count = countBytes(scientist)
    const cost = (start: number, end: number) => {
      if (start === end) return 0
      const { first, last } = framesHolding(start, end)
      const at = (index: number) => frameSpan(header.headerBytes, whole.length, index)
      return at(last).end - at(first).start
    }
    const random = generator(SEED)
    const ranges = Array.from({ length: 200 }, () => {
      const start = random(whole.length + 1)
      const longest = [16, 65_536, 200_000, whole.length][random(4)]!
      return [start, Math.min(whole.length, start + random(longest + 1))] as const
    })
    const edges = [0, 1, 65_535, 65_536, 65_537, 131_072, whole.length - 1, whole.length]
    for (const [start, end] of [
      ...ranges,
      ...edges.flatMap((a) => edges.filter((b) => b >= a).map((b) => [a, b] as const)),
    ]) {
      count.bytes = 0
      const got = await volume.read(start, end - start)
      if (!got.equals(whole.subarray(start, end))) t.fail(`bytes ${start}-${end} differ, seed ${SEED}`)
      if (count.bytes !== cost(start, end)) t.fail(`${count.bytes} bytes for ${start}-${end}, seed ${SEED}`)
    }
    t.pass(`${ranges.length} random ranges, seed ${SEED}, and every pair of edges`)

    for (let k = 0; k < volume.volume.slices; k++) {
      const { start, end } = sliceSpan(volume.volume, volume.headerBytes, k)
      count.bytes = 0
      if (!(await volume.slice(k)).equals(whole.subarray(start, end))) t.fail(`slice ${k} differs`)
      if (count.bytes !== cost(start, end)) t.fail(`${count.bytes} bytes for slice ${k}`)
    }
    count.bytes = 0
    const [a, b] = [7, 19]
    const from = sliceSpan(volume.volume, volume.headerBytes, a).start
    const to = sliceSpan(volume.volume, volume.headerBytes, b).end
    t.ok((await gather(volume.stream({ slices: [a, b] }))).equals(whole.subarray(from, to)))
    t.equal(count.bytes, cost(from, to), 'a part of the slices as well')
    await volume.close()
  })

  t.test('opening costs the header and the first frame', async (t) => {
    const count = countBytes(scientist)
    const volume = await openVolume(scientist, { guid })
    t.ok(count.bytes <= 4096 + 65_536 + 64, `${count.bytes} bytes`)
    t.equal(count.answers, 1)
    await volume.close()
  })

  t.test('a container on disk opens to the same voxels, by the key servers alone', async (t) => {
    const volume = await openVolume(scientist, { guid })
    const whole = await gather(volume.stream())
    await volume.close()
    const count = countBytes(scientist)
    const opened = await decryptFile(scientist, file)
    t.match(opened, { guid, version: 1, plaintextBytes: whole.length })
    t.ok((await gather(opened.stream())).equals(whole))
    const { start, end } = sliceSpan(opened.volume, opened.headerBytes, 11)
    t.ok((await opened.slice(11)).equals(whole.subarray(start, end)))
    await opened.close()
    t.equal(count.answers, 0, 'the site is not asked')

    const damaged = join(grid.scratch, 'damaged.mdm')
    const bytes = await readFile(file)
    const inFrame3 = frameSpan(header.headerBytes, whole.length, 3).start + 100
    bytes[inFrame3]! ^= 1
    await writeFile(damaged, bytes)
    const hurt = await decryptFile(scientist, damaged)
    t.equal((await hurt.read(0, 131_072)).length, 131_072, 'what is whole can be read')
    await t.rejects(gather(hurt.stream()), { code: 'MDM_CONTAINER' }, 'what is not cannot')
    await hurt.close()

    const handle = await open(damaged, 'r+')
    await handle.truncate(200_000)
    await handle.close()
    const cut = await decryptFile(scientist, damaged)
    await t.rejects(cut.read(150_000, 100_000), { code: 'MDM_CONTAINER' }, 'nor what is not there')
    await cut.close()

    for (const [what, content] of Object.entries({
      'half a header': container.subarray(0, 100),
      nothing: '',
      'a text': 'NRRD0005\n'.repeat(1000),
      'another version of it': Buffer.from(container).fill(0x31, 60, 61),
    })) {
      await writeFile(damaged, content)
      await t.rejects(decryptFile(scientist, damaged), { code: 'MDM_CONTAINER' }, what)
    }
    await t.rejects(decryptFile(scientist, join(grid.scratch, 'none')), { code: 'MDM_USAGE' })
    await t.rejects(decryptFile(scientist, grid.scratch), { code: 'MDM_USAGE' }, 'a folder')
  })

  t.test(
    'a site that starts anew with an empty spool is another container, and the same voxels',
    async (t) => {
      const volume = await openVolume(scientist, { guid })
      const before = await gather(volume.stream())
      await restartSite(grid, emptySpool)
      const [slice, all] = await Promise.all([volume.slice(5), gather(volume.stream())])
      const { start, end } = sliceSpan(volume.volume, volume.headerBytes, 5)
      t.ok(slice.equals(before.subarray(start, end)))
      t.ok(all.equals(before))
      const anew = await getRaw(backup, { guid }, { range: { start: 0, end: 1 } })
      await gather(anew.body)
      t.not(anew.etag, raw.etag, 'it was sealed anew')
      await volume.close()
      const old = await decryptFile(scientist, file)
      t.ok((await gather(old.stream())).equals(before), 'and the container of before still opens')
      await old.close()
    },
  )
})
