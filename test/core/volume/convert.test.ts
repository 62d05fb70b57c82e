import { convert, niftiHeader, nrrdHeader, type FormatName } from '@mdm/core/volume/formats/index'
import { sliceRange, type Volume } from '@mdm/core/volume/volume'
import t from 'tap'
import { PLAIN } from './volumes.ts'

const voxels = Buffer.from(Array.from({ length: 48 }, (_, i) => i))
const plaintext = Buffer.concat([nrrdHeader(PLAIN), voxels])

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function run(
  format: FormatName,
  bytes: Buffer,
  o?: Parameters<typeof convert>[2],
  size = 7,
): Promise<Buffer> {
  const out: Buffer[] = []
  for await (const piece of convert(format, pieces(bytes, size), o)) out.push(piece)
  return Buffer.concat(out)
}

t.test('nrrd comes out as it went in, whatever the pieces', async (t) => {
  for (const size of [1, 7, 48, 1000]) t.ok((await run('nrrd', plaintext, {}, size)).equals(plaintext))
})

t.test('nifti is its header and the same voxels', async (t) => {
  t.ok((await run('nifti', plaintext)).equals(Buffer.concat([niftiHeader(PLAIN), voxels])))
})

t.test('slices are a volume of their own', async (t) => {
  const part = voxels.subarray(12, 36)
  const wanted = Buffer.concat([nrrdHeader(sliceRange(PLAIN, [1, 2])), part])
  t.ok((await run('nrrd', part, { volume: PLAIN, slices: [1, 2] })).equals(wanted), 'only voxels come in')
  t.ok(
    (await run('nrrd', Buffer.concat([nrrdHeader(PLAIN), part]), { slices: [1, 2] })).equals(wanted),
    'with the header',
  )
})

t.test('too few or too many voxels are MDM_INTEGRITY', async (t) => {
  await t.rejects(run('nifti', plaintext.subarray(0, -1)), { code: 'MDM_INTEGRITY' })
  await t.rejects(run('nifti', Buffer.concat([plaintext, Buffer.alloc(1)])), { code: 'MDM_INTEGRITY' })
  await t.rejects(run('nifti', nrrdHeader(PLAIN).subarray(0, 20)), { code: 'MDM_INTEGRITY' })
  await t.rejects(run('nifti', Buffer.alloc(0)), { code: 'MDM_INTEGRITY' })
})

t.test('slices outside are refused before anything comes out', async (t) => {
  const out = convert('nrrd', pieces(plaintext, 7), { volume: PLAIN, slices: [2, 4] })
  await t.rejects(out.next(), { code: 'MDM_RANGE' })
})

t.test('the volumes of a set follow each other behind one header', async (t) => {
  const axis = { name: 'echo', unit: 'ms', values: [5, 10] } as const
  const all = Buffer.concat([voxels, voxels])
  const set = { volume: PLAIN, axis: { ...axis, values: [...axis.values] } }
  t.ok((await run('nifti', all, set)).equals(Buffer.concat([niftiHeader(PLAIN, set.axis), all])))
  await t.rejects(run('nifti', voxels, set), { code: 'MDM_INTEGRITY' }, 'one of two')
})

t.test('who asks is told what the file holds', async (t) => {
  const told: Volume[] = []
  await run('nifti', Buffer.concat([nrrdHeader(PLAIN), voxels.subarray(12, 36)]), {
    slices: [1, 2],
    onVolume: (volume) => told.push(volume),
  })
  t.strictSame(told, [sliceRange(PLAIN, [1, 2])])
})
