import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { grant } from '../../../packages/core/src/access/acl.ts'
import { saveSet, writeSet } from '../../../packages/core/src/access/save-set.ts'
import { setNamed } from '../../../packages/core/src/access/sets.ts'
import type { FormatName } from '../../../packages/core/src/volume/formats/names.ts'
import { addEchoes, echoVoxel } from '../../fixtures/echoes.ts'
import { registerAll, startSiteGrid } from '../../server/site-grid.ts'

const [COLUMNS, ROWS, SLICES] = [8, 6, 4]
const VOXELS = COLUMNS * ROWS * SLICES

const grid = await startSiteGrid(t, { series: [] })
const admin = await grid.as('admin')
await addEchoes(grid.source, 'same', { echoes: [0, 1, 2] })
await addEchoes(grid.source, 'scaled', { slope: (echo) => 1 + echo / 2 })
const made = (await registerAll(admin)).flatMap((event) => (event.type === 'set' ? [event.set] : []))
const same = { guid: made.find(({ volumes }) => volumes === 3)!.guid }
const scaled = { guid: made.find(({ volumes }) => volumes === 2)!.guid }
const dir = await mkdtemp(join(tmpdir(), 'mdm-sets-'))
t.teardown(() => rm(dir, { recursive: true }))

const options = (path: string, format: FormatName = 'nrrd') => ({
  ...{ level: 'decrypt' as const, format, path: join(dir, path) },
})
const inFolder = async (name: string) => (await readdir(dir)).filter((file) => file.includes(name))

/** The value of every voxel of a set, member after member. */
const expected = (echoes: number) =>
  Array.from({ length: echoes * VOXELS }, (_, at) => {
    const [k, j, i] = [
      Math.floor(at / (COLUMNS * ROWS)) % SLICES,
      Math.floor(at / COLUMNS) % ROWS,
      at % COLUMNS,
    ]
    return echoVoxel(Math.floor(at / VOXELS), i, j, k)
  })

t.test('a set is saved as one file: its header, then the voxels of each volume', async (t) => {
  const saved = await saveSet(admin, same, options('same.nrrd'))
  t.match(saved, { guid: same.guid, version: 1, latest: 1 })
  t.strictSame(saved.members, (await setNamed(admin, same)).members)
  const file = await readFile(join(dir, 'same.nrrd'))
  const end = file.indexOf('\n\n') + 2
  const header = file.subarray(0, end).toString('latin1')
  t.match(header, /^dimension: 4$/m)
  t.match(header, /^sizes: 8 6 4 3$/m)
  t.match(header, /^axis:=echo$/m)
  t.match(header, /^axis values:=10 30 80$/m)
  t.strictSame(numbers(file.subarray(end), 2), expected(3))
  t.strictSame(await inFolder('same'), ['same.nrrd'], 'and nothing is left beside it')

  await t.test('as NIfTI, packed too', async (t) => {
    await saveSet(admin, same, options('same.nii', 'nifti'))
    await saveSet(admin, same, options('same.nii.gz', 'nifti-gz'))
    const nifti = await readFile(join(dir, 'same.nii'))
    t.strictSame(
      [0, 1, 2, 3, 4].map((i) => nifti.readInt16LE(40 + 2 * i)),
      [4, 8, 6, 4, 3],
    )
    t.strictSame(numbers(nifti.subarray(352), 2), expected(3))
    t.ok(gunzipSync(await readFile(join(dir, 'same.nii.gz'))).equals(nifti))
  })

  await t.test('a stream of it is the same', async (t) => {
    const out = new PassThrough()
    const bytes = buffer(out)
    const written = await writeSet(admin, same, out, options('-'))
    out.end()
    t.ok((await bytes).equals(file))
    t.equal(written.sha256, saved.sha256)
  })

  await t.test('some slices of it are those slices of each volume', async (t) => {
    await saveSet(admin, same, { ...options('part.nrrd'), slices: [1, 2] })
    const part = await readFile(join(dir, 'part.nrrd'))
    const slice = COLUMNS * ROWS
    const wanted = expected(3).filter((_, at) => [1, 2].includes(Math.floor(at / slice) % SLICES))
    t.match(part.toString('latin1', 0, 500), /^sizes: 8 6 2 3$/m)
    t.strictSame(numbers(part.subarray(part.indexOf('\n\n') + 2), 2), wanted)
  })
})

t.test('volumes that are rescaled differently are written as real values', async (t) => {
  t.equal((await setNamed(admin, scaled)).realValues, true)
  await saveSet(admin, scaled, options('scaled.nii', 'nifti'))
  const nifti = await readFile(join(dir, 'scaled.nii'))
  t.equal(nifti.readInt16LE(70), 16, 'float32')
  t.strictSame([nifti.readFloatLE(112), nifti.readFloatLE(116)], [0, 0], 'that need no rescale')
  const values = Array.from({ length: 2 * VOXELS }, (_, at) => nifti.readFloatLE(352 + 4 * at))
  t.strictSame(
    values,
    expected(2).map((stored, at) => stored * (at < VOXELS ? 1 : 1.5)),
  )
})

t.test('a set that was interrupted goes on at the volume that is not whole', async (t) => {
  const stop = new AbortController()
  const seen: number[] = []
  const o = {
    ...options('cut.nrrd'),
    signal: stop.signal,
    onProgress: (done: number, total: number) => {
      seen.push(done)
      // The third and last volume has begun.
      if (done > (total * 2) / 3) stop.abort(new Error('stopped'))
    },
  }
  await t.rejects(saveSet(admin, same, o))
  t.ok(seen.length > 0)
  const left = await inFolder('cut')
  t.notOk(left.includes('cut.nrrd'), 'no file of that name')
  t.ok(left.filter((name) => name.endsWith('.part')).length >= 2, 'the containers of two volumes are kept')
  const saved = await saveSet(admin, same, options('cut.nrrd'))
  t.ok(saved.resumedFrom > 0, 'and are not fetched again')
  t.ok((await readFile(join(dir, 'cut.nrrd'))).equals(await readFile(join(dir, 'same.nrrd'))))
  t.strictSame(await inFolder('cut'), ['cut.nrrd'])

  await t.test('and one whose container was damaged meanwhile is refused, and begun anew', async (t) => {
    const stop = new AbortController()
    const onProgress = (done: number, total: number) => {
      if (done > (total * 2) / 3) stop.abort(new Error('stopped'))
    }
    await t.rejects(saveSet(admin, same, { ...options('bad.nrrd'), signal: stop.signal, onProgress }))
    const [first] = (await setNamed(admin, same)).members
    const part = await open(join(dir, `bad.nrrd.${first!.guid}@1.part`), 'r+')
    await part.write(Buffer.from([0xff, 0xff, 0xff, 0xff]), 0, 4, (await part.stat()).size - 200)
    await part.close()
    await t.rejects(saveSet(admin, same, options('bad.nrrd')), { code: 'MDM_CONTAINER' })
    t.strictSame(await inFolder('bad'), [], 'nothing of it stays')
    await saveSet(admin, same, options('bad.nrrd'))
    t.ok((await readFile(join(dir, 'bad.nrrd'))).equals(await readFile(join(dir, 'same.nrrd'))))
  })
})

t.test('what cannot be is refused by name, and leaves nothing', async (t) => {
  const metaimage = saveSet(admin, same, options('no.mha', 'metaimage'))
  await t.rejects(metaimage, { code: 'MDM_USAGE', message: /MetaImage/ })
  await t.rejects(saveSet(admin, same, { ...options('no.mdm'), level: 'raw' }), { code: 'MDM_USAGE' })
  await t.rejects(saveSet(admin, same, { ...options('no.nrrd'), slices: [2, 9] }), { code: 'MDM_RANGE' })
  t.strictSame(await inFolder('no.'), [])
})

t.test('who may list every volume but not open one gets nothing', async (t) => {
  const scientist = await grid.as('scientist')
  const to = {
    kind: 'user',
    dn: scientist.credential.identity.dn,
    issuer: admin.credential.identity.issuer,
  } as const
  const { members } = await setNamed(admin, same)
  for (const [i, { guid }] of members.entries())
    await grant(admin, guid, { to, preset: i === 2 ? 'replicate' : 'process' })
  await t.rejects(saveSet(scientist, same, options('denied.nrrd')), { code: 'MDM_DENIED' })
  t.strictSame(await inFolder('denied'), [])
  await grant(admin, members[2]!.guid, { to, preset: 'process' })
  await saveSet(scientist, same, options('allowed.nrrd'))
  t.ok((await readFile(join(dir, 'allowed.nrrd'))).equals(await readFile(join(dir, 'same.nrrd'))))
})

function numbers(bytes: Buffer, size: 2): number[] {
  return Array.from({ length: bytes.length / size }, (_, at) => bytes.readInt16LE(at * size))
}
