import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseContainerHeader } from '@mdm/core/crypto/container/reader'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { DicomSource, RetrievedFrame } from '@mdm/server/dicom/source'
import { runMdm } from '../fixtures/grid.ts'
import { addSeries, registerAll, startSiteGrid, until, type SiteGrid } from '../server/site-grid.ts'

t.setTimeout(300_000)

const SLICES = 6
/** Slices that come before a fault in the middle. */
const GOOD = 3

/** What becomes of the slices that the hospital sends. */
type Fault = (slices: AsyncIterable<RetrievedFrame>) => AsyncIterable<RetrievedFrame>

const never = () => new Promise<never>(() => undefined)
const unreachable = () => new MdmError('MDM_SOURCE_UNREACHABLE')

/** From its `count`-th slice on, however often it is asked. */
const after = (count: number, what: () => Promise<never>) => (): Fault => {
  let k = 0
  return async function* (slices) {
    for await (const slice of slices) {
      if (k++ >= count) await what()
      yield slice
    }
  }
}
const throws = async () => {
  throw unreachable()
}

/** Faults of the wire: [what the hospital does, the code, the exit code]. */
const WIRE: Record<string, [() => Fault, ErrorCode, number]> = {
  'fails before the first slice': [after(0, throws), 'MDM_SOURCE_UNREACHABLE', 5],
  'fails after three of six slices': [after(GOOD, throws), 'MDM_SOURCE_INCOMPLETE', 5],
  'is silent from the start': [after(0, never), 'MDM_SOURCE_UNREACHABLE', 5],
  'falls silent after three slices': [after(GOOD, never), 'MDM_SOURCE_INCOMPLETE', 5],
  'sends a slice twice': [
    () =>
      async function* (slices) {
        let k = 0
        for await (const slice of slices) {
          const pixels = Buffer.from(slice.pixels)
          yield slice
          if (k++ === GOOD) yield { ...slice, pixels }
        }
      },
    'MDM_SOURCE_CHANGED',
    7,
  ],
  'sends one slice too many': [
    () =>
      async function* (slices) {
        let k = 0
        for await (const slice of slices) {
          const header = { ...slice.header, sop: '9.9.9' }
          const extra = { header, frame: 0, pixels: Buffer.from(slice.pixels) }
          yield slice
          if (++k === SLICES) yield extra
        }
      },
    'MDM_SOURCE_CHANGED',
    7,
  ],
  'cuts a slice short': [
    () =>
      async function* (slices) {
        let k = 0
        for await (const slice of slices)
          yield k++ === GOOD ? { ...slice, pixels: slice.pixels.subarray(0, 1000) } : slice
      },
    'MDM_SOURCE_CHANGED',
    7,
  ],
}

/** Faults of the files themselves: [what is done to the fourth file, how it is undone, the code, the exit code]. */
const FILES: Record<string, [(file: string) => Promise<void>, ErrorCode, number]> = {
  'lost a slice': [
    (file) => rename(file, `${file}.gone`).then(() => rm(`${file}.gone`)),
    'MDM_SOURCE_INCOMPLETE',
    5,
  ],
  'has half of a slice': [
    async (file) => truncate(file, (await readFile(file)).length / 2),
    'MDM_SOURCE_INCOMPLETE',
    5,
  ],
  'has a slice of other pixels': [
    async (file) => {
      const bytes = await readFile(file)
      bytes[bytes.length - 5]! ^= 1
      await writeFile(file, bytes)
    },
    'MDM_SOURCE_CHANGED',
    7,
  ],
  'has no slice left': [(file) => rm(join(file, '..'), { recursive: true }), 'MDM_SOURCE_CHANGED', 7],
}

t.test('a get from a hospital whose source fails', async (t) => {
  let fault: Fault | undefined
  const through = (source: DicomSource): DicomSource => ({
    ...source,
    retrieve: (ref, sops, signal) => {
      const slices = source.retrieve(ref, sops, signal)
      return fault === undefined ? slices : fault(slices)
    },
  })
  const grid = await startSiteGrid(t, { series: [], site: { through, silenceMs: 400 } })
  const shape = { columns: 256, rows: 256, slices: SLICES }
  await addSeries(grid.source, 'ct', shape)
  const admin = await grid.as('admin')
  const [event] = (await registerAll(admin)).filter((e) => e.type === 'registered')
  const { guid } = event!.volume
  const config = grid.provisioned.users.admin!.config
  const out = join(grid.dir, 'out.nrrd')
  const get = (...args: string[]) => runMdm(['get', guid, '-o', out, '--json', ...args], { config })
  const digest = async () =>
    createHash('sha256')
      .update(await readFile(out))
      .digest('hex')

  t.equal((await get()).code, 0)
  const right = await digest()

  /** The spool is emptied, the get fails as it should, leaves nothing that looks whole, and the next one is right. */
  const fails = async (code: ErrorCode, exitCode: number, mend: () => Promise<unknown>) => {
    await forgetSealed(grid)
    await rm(out, { force: true })
    const run = await get('--retries', '0')
    t.equal(run.code, exitCode, `exit code, stderr: ${run.stderr}`)
    t.equal(run.json?.error?.code, code)
    t.notOk(existsSync(out), 'no file under the final name')
    await until(async () => (await readdir(spoolOf(grid))).length === 0)
    t.pass('the spool is empty')
    if (exitCode === 7) t.notOk(existsSync(`${out}.part`), 'what is refused leaves no part')
    else await hasNoEnd(`${out}.part`)
    await mend()
    t.equal((await get('--retries', '0')).code, 0, 'the next try works')
    t.equal(await digest(), right, 'and is right')
  }
  const hasNoEnd = async (part: string) => {
    const bytes = existsSync(part) ? await readFile(part) : Buffer.alloc(0)
    const whole = bytes.length === 0 ? Infinity : (parseContainerHeader(bytes)?.length ?? Infinity)
    t.ok(bytes.length < whole, `${bytes.length} of ${whole} bytes are kept: no final frame`)
  }

  for (const [what, [how, code, exitCode]] of Object.entries(WIRE)) {
    await t.test(`that ${what}`, async () => {
      fault = how()
      await fails(code, exitCode, async () => (fault = undefined))
    })
  }

  for (const [what, [damage, code, exitCode]] of Object.entries(FILES)) {
    await t.test(`that ${what}`, async () => {
      const folder = join(grid.source, 'ct')
      const [file] = (await readdir(folder)).toSorted().slice(GOOD)
      await damage(join(folder, file!))
      await fails(code, exitCode, () => addSeries(grid.source, 'ct', shape))
    })
  }

  await t.test('that comes back while the get still tries: it ends right by itself', async () => {
    await forgetSealed(grid)
    await rm(out, { force: true })
    let asked = 0
    // Both attempts of the first preparation stop; the second get finds it whole.
    // Not before bytes have come: a refusal at the door is not tried again.
    const stops = after(GOOD, async () => {
      await until(async () => existsSync(`${out}.part`) && (await stat(`${out}.part`)).size > 0)
      throw unreachable()
    })()
    fault = (slices) => (++asked <= 2 ? stops(slices) : slices)
    const run = await get()
    t.equal(run.code, 0, run.stderr)
    t.match(run.stderr, /note: MDM_SOURCE_INCOMPLETE: .*; attempt 2 of 5/)
    t.equal(await digest(), right)
    fault = undefined
  })
})

const spoolOf = (grid: SiteGrid) => join(grid.provisioned.site.dir, 'spool')

/** What is sealed would be served without asking the source: the site is restarted without it. */
async function forgetSealed(grid: SiteGrid): Promise<void> {
  await grid.stopSite()
  for (const name of await readdir(spoolOf(grid))) await rm(join(spoolOf(grid), name))
  await grid.startSite()
}
