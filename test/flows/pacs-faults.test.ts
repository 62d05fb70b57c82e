import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseContainerHeader } from '@mdm/core/crypto/container/reader'
import type { ErrorCode } from '@mdm/core/errors'
import { runMdm } from '../fixtures/grid.ts'
import { scriptedObjects, type ScriptedObject } from '../fixtures/scripted-objects.ts'
import { after, startScriptedScp, wholeSeries, type Script, type Step } from '../fixtures/scripted-scp.ts'
import {
  addSeries,
  registerAll,
  setSources,
  startSiteGrid,
  until,
  type SiteGrid,
} from '../server/site-grid.ts'

t.setTimeout(300_000)

const SLICES = 6
/** Slices that come before a fault in the middle. */
const GOOD = 3
const SHAPE = { columns: 256, rows: 256, slices: SLICES }
/** No slice is waited for longer. */
const SILENCE_S = 0.9
/** What it would be without a word in the configuration. */
const DEFAULT_SILENCE_MS = 60_000

/** Other pixels in the last slice. */
const otherPixels = (objects: readonly ScriptedObject[]): Step[] => {
  const change = (data: Buffer): Buffer => {
    data[data.length - 5]! ^= 1
    return data
  }
  return [{ send: objects.slice(0, -1) }, { send: objects.slice(-1), change }, { status: 0 }]
}

/** However it is asked: the last three slices never come, and nothing says so. */
const withholds = (): NonNullable<Script['retrieve']> => {
  let sops: Set<string> | undefined
  return (objects) => {
    sops ??= new Set(objects.slice(GOOD).map(({ sop }) => sop))
    return [
      { send: objects.filter(({ sop }) => !sops!.has(sop)) },
      { status: 0, counters: { completed: SLICES } },
    ]
  }
}

/** The second slice comes as the first one, under its own name. */
const mistakes = (): NonNullable<Script['retrieve']> => {
  let pair: readonly ScriptedObject[] | undefined
  return (objects) => {
    pair ??= objects.slice(0, 2)
    const [first, second] = pair
    const send = objects.map((object) =>
      object.sop === second!.sop ? { ...object, data: first!.data } : object,
    )
    return [{ send }, { status: 0 }]
  }
}

/** Faults of the wire: [what the PACS does, the code, the exit code]. */
const FAULTS: Record<string, [Script, ErrorCode, number]> = {
  'aborts before it accepts': [{ associate: 'abort' }, 'MDM_SOURCE_UNREACHABLE', 5],
  'resets before it accepts': [{ associate: 'reset' }, 'MDM_SOURCE_UNREACHABLE', 5],
  'is silent before it accepts': [{ associate: 'silence' }, 'MDM_SOURCE_UNREACHABLE', 5],
  'rejects for now': [{ associate: 'reject-for-now' }, 'MDM_SOURCE_UNREACHABLE', 5],
  'rejects us': [{ associate: 'reject' }, 'MDM_SOURCE_REFUSED', 5],
  'aborts after it accepted': [{ associate: 'abort-after-accept' }, 'MDM_SOURCE_UNREACHABLE', 5],
  'aborts before the first slice': [{ retrieve: () => ['abort'] }, 'MDM_SOURCE_UNREACHABLE', 5],
  'aborts after three of six slices': [{ retrieve: after(GOOD, 'abort') }, 'MDM_SOURCE_INCOMPLETE', 5],
  'closes after three of six slices': [{ retrieve: after(GOOD, 'close') }, 'MDM_SOURCE_INCOMPLETE', 5],
  'resets after three of six slices': [{ retrieve: after(GOOD, 'reset') }, 'MDM_SOURCE_INCOMPLETE', 5],
  'is silent after three of six slices': [{ retrieve: after(GOOD, 'silence') }, 'MDM_SOURCE_INCOMPLETE', 5],
  'aborts in the middle of a slice': [
    {
      retrieve: (objects) => [
        { send: objects.slice(0, GOOD) },
        { sendPart: objects[GOOD] ?? objects[0]!, bytes: 40_000 },
        'abort',
      ],
    },
    'MDM_SOURCE_INCOMPLETE',
    5,
  ],
  'is silent in the middle of a slice': [
    { retrieve: (objects) => [{ sendPart: objects[0]!, bytes: 40_000 }, 'silence'] },
    'MDM_SOURCE_UNREACHABLE',
    5,
  ],
  'says it has sent six slices, and sent three': [{ retrieve: withholds() }, 'MDM_SOURCE_INCOMPLETE', 5],
  'sends a slice of other pixels': [{ retrieve: otherPixels }, 'MDM_SOURCE_CHANGED', 7],
  'sends one slice under the name of another': [{ retrieve: mistakes() }, 'MDM_SOURCE_INCOMPLETE', 5],
}

/** What is odd, and no fault. */
const ODD: Record<string, NonNullable<Script['retrieve']>> = {
  'sends the slices out of order': (objects) => [{ send: objects.toReversed() }, { status: 0 }],
  'sends all slices at once': (objects) => [{ sendAtOnce: objects }, { status: 0 }],
  'sends a slice twice': (objects) => [{ send: [objects[2]!, ...objects] }, { status: 0 }],
  'sends a slice too many': (objects) => [
    { send: [...objects, { ...objects[0]!, sop: '1.2.3.4' }] },
    { status: 0 },
  ],
  'counts wrong': (objects) => [
    { send: objects },
    { pending: { remaining: 9, completed: 0 } },
    { status: 0, counters: { completed: 1 } },
  ],
}

t.test('a get from a hospital whose PACS fails', async (t) => {
  const grid = await startSiteGrid(t, { series: [], started: false })
  const cases = [...Object.keys(FAULTS), ...Object.keys(ODD), 'part']
  const objects: ScriptedObject[] = []
  // A series for each case: none is served from the spool.
  for (const what of cases) {
    const { files } = await addSeries(grid.source, what.replaceAll(' ', '-'), SHAPE)
    objects.push(...(await scriptedObjects(files)))
  }
  const scp = await startScriptedScp(t, { objects })
  const url = `dicom://${scp.ae}@127.0.0.1:${scp.port}`
  // Nothing but these gets asks the PACS.
  const seconds = { associationSeconds: SILENCE_S, inactivitySeconds: SILENCE_S, pollSeconds: 0 }
  await setSources(grid, [{ name: 'pacs', url, ...seconds }])
  await grid.startSite()
  const registered = (await registerAll(await grid.as('admin'))).filter((e) => e.type === 'registered')
  t.equal(registered.length, cases.length)
  const guids = new Map(cases.map((what, n) => [what, registered[n]!.volume.guid]))
  const config = grid.provisioned.users.admin!.config
  const get = (names: string[], out: string) =>
    runMdm(['get', ...names, '-o', out, '--json', '--retries', '0'], { config })

  // Only what was delivered once is known by its digest.
  const once = join(grid.dir, 'once.nrrd')
  t.equal((await get([guids.get('sends a slice of other pixels')!], once)).code, 0)
  // What is sealed would be served without asking the PACS, over an association that is still open.
  await grid.stopSite()
  for (const name of await readdir(spoolOf(grid))) await rm(join(spoolOf(grid), name))
  await grid.startSite()

  for (const [what, [script, code, exitCode]] of Object.entries(FAULTS)) {
    await t.test(`that ${what}`, async (t) => {
      const out = join(grid.dir, 'out.nrrd')
      scp.script = script
      const began = performance.now()
      const run = await get([guids.get(what)!], out)
      t.ok(performance.now() - began < DEFAULT_SILENCE_MS, 'within the timeouts of the configuration')
      t.equal(run.code, exitCode, `exit code, stderr: ${run.stderr}`)
      t.equal(run.json?.error?.code, code)
      t.notOk(existsSync(out), 'no file under the final name')
      await until(async () => (await readdir(spoolOf(grid))).length === 0)
      t.pass('the spool is empty')
      if (exitCode === 7) t.notOk(existsSync(`${out}.part`), 'what is refused leaves no part')
      else await hasNoEnd(t, `${out}.part`)
      await rm(`${out}.part`, { force: true })
    })
  }

  await t.test('and works again: the next tries are right', async (t) => {
    scp.script = {}
    const out = join(grid.dir, 'next')
    const run = await get(
      Object.keys(FAULTS).map((what) => guids.get(what)!),
      `${out}/`,
    )
    t.equal(run.code, 0, run.stderr)
    const names = await readdir(out)
    t.equal(names.length, Object.keys(FAULTS).length)
    for (const name of names) t.ok(isRight(await readFile(join(out, name))), name)
  })

  for (const [what, retrieve] of Object.entries(ODD)) {
    await t.test(`that ${what}: it ends right`, async (t) => {
      const out = join(grid.dir, 'odd.nrrd')
      scp.script = { retrieve }
      const run = await get([guids.get(what)!], out)
      t.equal(run.code, 0, run.stderr)
      t.ok(isRight(await readFile(out)))
      await rm(out)
    })
  }

  await t.test('that sends a part, and the rest when asked again: nobody notices', async (t) => {
    const out = join(grid.dir, 'whole.nrrd')
    let asked = 0
    const part = after(GOOD, { status: 0xb000, counters: { completed: GOOD, failed: SLICES - GOOD } })
    scp.script = { retrieve: (wanted) => (++asked === 1 ? part(wanted) : wholeSeries(wanted)) }
    const run = await get([guids.get('part')!], out)
    t.equal(run.code, 0, run.stderr)
    t.ok(isRight(await readFile(out)))
    t.equal(asked, 2)
  })

  await grid.stopSite()
  await until(async () => scp.open() === 0)
  t.pass('no connection is left open')
})

/** The voxels that addSeries() writes. */
function isRight(file: Buffer): boolean {
  const { columns, rows, slices } = SHAPE
  const voxels = Buffer.alloc(columns * rows * slices * 2)
  for (let at = 0; at < voxels.length / 2; at++) {
    const [i, j, k] = [at % columns, Math.floor(at / columns) % rows, Math.floor(at / (columns * rows))]
    voxels.writeUInt16LE((100 * k + 10 * j + i) & 0xffff, 2 * at)
  }
  return file.subarray(-voxels.length).equals(voxels)
}

async function hasNoEnd(t: { ok(value: unknown, what: string): unknown }, part: string): Promise<void> {
  const bytes = existsSync(part) ? await readFile(part) : Buffer.alloc(0)
  const whole = bytes.length === 0 ? Infinity : (parseContainerHeader(bytes)?.length ?? Infinity)
  t.ok(bytes.length < whole, `${bytes.length} of ${whole} bytes are kept: no final frame`)
}

const spoolOf = (grid: SiteGrid) => join(grid.provisioned.site.dir, 'spool')
