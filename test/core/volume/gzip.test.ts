import { gunzipSync } from 'node:zlib'
import { convert, niftiHeader, nrrdHeader } from '@mdm/core/volume/formats/index'
import { gzipped } from '@mdm/core/volume/formats/gzip'
import t from 'tap'
import { PLAIN } from './volumes.ts'

const noise = Buffer.from(Array.from({ length: 1_000_003 }, (_, i) => (i * i * 31 + (i >> 7)) & 0xff))

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function packed(file: AsyncIterable<Buffer>): Promise<Buffer> {
  const out: Buffer[] = []
  for await (const piece of gzipped(file)) out.push(piece)
  return Buffer.concat(out)
}

t.test('what is packed comes out again, whatever the pieces', async (t) => {
  for (const size of [997, 65_536, 2_000_000]) {
    t.ok(gunzipSync(await packed(pieces(noise, size))).equals(noise), `pieces of ${size}`)
  }
  t.equal(gunzipSync(await packed(pieces(Buffer.alloc(0), 1))).length, 0, 'an empty file')
})

t.test('the gzip header says nothing of name, time, program or machine', async (t) => {
  const file = await packed(pieces(noise, 65_536))
  t.equal(file.subarray(0, 10).toString('hex'), '1f8b08000000000000ff')
  t.ok(file.equals(await packed(pieces(noise, 65_536))), 'the same file packs to the same bytes')
})

t.test('a piece whose memory is used again at once does no harm', async (t) => {
  const shared = Buffer.alloc(1000)
  const reusing = (async function* () {
    for (let i = 0; i < 200; i++) yield shared.fill(i)
  })()
  const whole = gunzipSync(await packed(reusing))
  t.equal(whole.length, 200_000)
  for (let i = 0; i < 200; i++) if (whole[i * 1000 + 999] !== i) t.fail(`piece ${i} is another`)
})

t.test(
  'a file that fails before its end gives no trailer, so that no reader takes it for whole',
  async (t) => {
    const out: Buffer[] = []
    const failing = (async function* () {
      yield noise
      throw new Error('cut')
    })()
    await t.rejects(async () => {
      for await (const piece of gzipped(failing)) out.push(piece)
    }, /cut/)
    t.throws(() => gunzipSync(Buffer.concat(out)))
  },
)

t.test('nifti-gz is the nifti file, packed', async (t) => {
  const voxels = Buffer.from(Array.from({ length: 48 }, (_, i) => i))
  const out: Buffer[] = []
  for await (const piece of convert('nifti-gz', pieces(Buffer.concat([nrrdHeader(PLAIN), voxels]), 7)))
    out.push(piece)
  t.ok(gunzipSync(Buffer.concat(out)).equals(Buffer.concat([niftiHeader(PLAIN), voxels])))
})
