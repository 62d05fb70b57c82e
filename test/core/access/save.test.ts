import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { saveVolume, type SaveFileOptions } from '@mdm/core/access/save'
import { newGuid } from '@mdm/core/names'
import { niftiHeader } from '@mdm/core/volume/formats/nifti'
import { nrrdHeader } from '@mdm/core/volume/formats/nrrd'
import { sampleContext, seal } from '../crypto/container-samples.ts'
import { startLoopbackGrid, type LoopbackGrid } from './loopback-grid.ts'

async function start(t: Test, o: { slices?: number } = {}) {
  const grid = await startLoopbackGrid(t, o)
  const path = join(t.testdir(), 'v.nrrd')
  const save = (o: Partial<SaveFileOptions> = {}) =>
    saveVolume(
      grid.session,
      { guid: grid.key.options.guid },
      { level: 'decrypt', format: 'nrrd', path, ...o },
    )
  /** what lies beside the output, and the output itself */
  const files = () => readdir(dirname(path)).then((names) => names.sort())
  return { grid, path, hidden: join(dirname(path), '.v.nrrd.tmp'), part: `${path}.part`, save, files }
}

/** Another volume of the same shape under the same GUID, version and key: none of its bytes is like the first one's. */
async function another(grid: LoopbackGrid): Promise<{ plaintext: Buffer; container: Buffer }> {
  const { guid, version, kid } = grid.key.options
  const header = nrrdHeader(grid.volume)
  const plaintext = Buffer.concat([header, randomBytes(grid.plaintext.length - header.length)])
  const context = sampleContext(plaintext.length, { guid, version, kid })
  return { plaintext, container: await seal(context, grid.key.fileKey, plaintext) }
}

const HALF = 300_000

t.test(
  'a file grows under a hidden name while its container comes, and has its own when it is whole',
  async (t) => {
    const { grid, path, hidden, part, save, files } = await start(t, { slices: 160 })
    const hold = Promise.withResolvers<void>()
    grid.change = (sent) => ({ ...sent, hold: { after: 4_000_000, until: hold.promise } })
    const saving = save()
    await until(async () => (await size(hidden)) > 2_000_000 && (await size(part)) > 2_000_000)
    t.strictSame(await files(), [basename(hidden), 'v.nrrd.part', 'v.nrrd.part.lock'])
    t.equal((await stat(hidden)).mode & 0o777, 0o600)
    const grown = await readFile(hidden)
    t.ok(grown.equals(grid.plaintext.subarray(0, grown.length)), 'what has verified is in it')
    const [before, container] = [await readFile(part), grown.subarray(-64)]
    t.notOk(before.includes(container), 'the .part holds ciphertext')
    hold.resolve()
    const { bytes, resumedFrom } = await saving
    t.strictSame([bytes, resumedFrom], [grid.plaintext.length, 0])
    t.ok((await readFile(path)).equals(grid.plaintext))
    t.strictSame(await files(), ['v.nrrd'])
  },
)

t.test('a get that goes on writes all of the file, what it had and what comes', async (t) => {
  for (const format of ['nrrd', 'nifti'] as const) {
    const { grid, path, save, files } = await start(t)
    grid.change = (sent) => ({ ...sent, cutAfter: HALF })
    await t.rejects(save({ format }), { code: 'MDM_UNREACHABLE' })
    t.strictSame(await files(), ['v.nrrd.part'], 'a get that failed leaves its .part alone')
    grid.change = (sent) => sent
    const { resumedFrom } = await save({ format })
    t.ok(resumedFrom > HALF - 66_000, `resumed from ${resumedFrom}`)
    const header = format === 'nrrd' ? nrrdHeader(grid.volume) : niftiHeader(grid.volume)
    const voxels = grid.plaintext.subarray(nrrdHeader(grid.volume).length)
    t.ok((await readFile(path)).equals(Buffer.concat([header, voxels])), format)
    t.strictSame(await files(), ['v.nrrd'])
  }
})

t.test('another attempt of one get begins the file anew', async (t) => {
  const { grid, path, save, files } = await start(t)
  let requests = 0
  grid.change = (sent) => (++requests < 3 ? { ...sent, cutAfter: HALF - 100_000 * requests } : sent)
  const { resumedFrom } = await save({ retries: 3 })
  t.strictSame([requests, resumedFrom], [3, 0])
  t.ok((await readFile(path)).equals(grid.plaintext))
  t.strictSame(await files(), ['v.nrrd'])
})

t.test('of a container that was sealed anew meanwhile nothing is mixed with the one before', async (t) => {
  for (const how of ['in one get', 'between two gets']) {
    const { grid, path, save, files } = await start(t)
    const { plaintext, container } = await another(grid)
    let requests = 0
    grid.change = (sent) => {
      grid.serve(container)
      return ++requests === 1 ? { ...sent, cutAfter: HALF } : sent
    }
    if (how === 'between two gets') await t.rejects(save(), { code: 'MDM_UNREACHABLE' })
    const { resumedFrom } = await save({ retries: 1 })
    t.strictSame([requests, resumedFrom], [2, 0], how)
    t.ok((await readFile(path)).equals(plaintext), 'every byte is of the new one')
    t.strictSame(await files(), ['v.nrrd'])
  }
})

t.test('what fails in the middle leaves nothing to be taken for a volume', async (t) => {
  const { grid, part, save, files } = await start(t)
  const altered = Buffer.from(await grid.seal())
  altered[HALF]! ^= 1
  grid.serve(altered)
  await t.rejects(save(), { code: 'MDM_CONTAINER' }, 'a frame that is not what was sealed')
  t.strictSame(await files(), [])

  const whole = await grid.seal()
  grid.serve(whole)
  grid.change = (sent) => ({ ...sent, cutAfter: whole.length - 10 })
  await t.rejects(save(), { code: 'MDM_UNREACHABLE' }, 'all but the last bytes')
  t.strictSame(await files(), ['v.nrrd.part'])

  grid.change = async (sent) => {
    await truncate(part, 200_000)
    return sent
  }
  await t.rejects(save(), { code: 'MDM_CONTAINER' }, 'a .part that somebody cuts meanwhile')
  t.strictSame(await files(), [])

  const { guid, version, kid } = grid.key.options
  const short = grid.plaintext.subarray(0, -2)
  grid.serve(await seal(sampleContext(short.length, { guid, version, kid }), grid.key.fileKey, short))
  grid.change = (sent) => sent
  await t.rejects(
    save(),
    { code: 'MDM_INTEGRITY' },
    'fewer voxels than its header says, all frames being right',
  )
  t.strictSame(await files(), [])
})

t.test('an interrupted get takes the plaintext with it', async (t) => {
  const { grid, part, save, files } = await start(t)
  const hold = Promise.withResolvers<void>()
  const stop = new AbortController()
  grid.change = (sent) => ({ ...sent, hold: { after: HALF, until: hold.promise } })
  const saving = save({ signal: stop.signal })
  await until(async () => (await size(part)) > 0)
  stop.abort(new Error('stopped'))
  await t.rejects(saving, { message: 'stopped' })
  hold.resolve()
  t.strictSame(await files(), ['v.nrrd.part'])
})

t.test(
  'what a killed get left under the hidden name goes with the next one, also when that is refused',
  async (t) => {
    const { grid, hidden, save, files } = await start(t)
    await writeFile(hidden, 'half of a volume')
    grid.change = (sent) => ({ ...sent, headers: { ...sent.headers, 'mdm-guid': newGuid() } })
    await t.rejects(save(), { code: 'MDM_INTEGRITY' })
    t.strictSame(await files(), [])
    await writeFile(hidden, 'half of a volume')
    grid.change = (sent) => sent
    await save({ level: 'raw' })
    t.strictSame(await files(), ['v.nrrd'], 'or of the container')
  },
)

async function size(file: string): Promise<number> {
  return await stat(file).then(
    (s) => s.size,
    () => 0,
  )
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20)
}
