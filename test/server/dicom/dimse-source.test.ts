import { writeSeries, type WrittenSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { serveDimse } from '@mdm/server/dicom/dimse/index'
import { SourceConfig } from '@mdm/server/dicom/source-config'
import { createArrivals, type Arrivals } from '@mdm/server/dicom/sources/arrivals'
import { dimseSource } from '@mdm/server/dicom/sources/dimse'
import { readServerOptions } from '@mdm/server/dicom/sources/server-options'
import type { DicomSource } from '@mdm/server/dicom/source'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { dicomSourceContract } from '../../conformance/dicom-source.ts'
import { scriptedObjects } from '../../fixtures/scripted-objects.ts'
import {
  after,
  startScriptedScp,
  type Script,
  wholeSeries,
  type ScriptedScp,
  type Step,
} from '../../fixtures/scripted-scp.ts'
import { wantedOf } from '../../fixtures/wanted.ts'

interface More {
  config?: Partial<SourceConfig>
  arrivals?: Arrivals
  idleMs?: number
}

async function open(
  t: Test,
  { ae, port }: { ae: string; port: number },
  more: More = {},
): Promise<DicomSource> {
  const url = `dicom://${ae}@127.0.0.1:${port}`
  const config = SourceConfig.parse({ name: 'pacs', url, ...more.config })
  const { arrivals, idleMs } = more
  const source = dimseSource(config, {
    ...(await readServerOptions(config)),
    ...(arrivals !== undefined && { arrivals }),
    ...(idleMs !== undefined && { idleMs }),
  })
  t.teardown(() => source.close())
  return source
}

/** A scripted server with one CT series. */
async function serve(
  t: Test,
  { slices = 6, ...more }: More & { slices?: number; destinations?: Record<string, number> } = {},
): Promise<{ scp: ScriptedScp; source: DicomSource; ct: WrittenSeries }> {
  const grid = { columns: 5, rows: 3, slices, spacing: [1, 1, 2] as [number, number, number] }
  const voxel = (i: number, j: number, k: number): number => 100 * k + 10 * j + i
  const ct = await writeSeries(t.testdir(), { ...grid, modality: 'CT', voxel })
  const { destinations = {} } = more
  const scp = await startScriptedScp(t, { objects: await scriptedObjects(ct.files), destinations })
  return { scp, source: await open(t, scp, more), ct }
}

async function retrieved(source: DicomSource, ct: WrittenSeries, sops = ct.sops): Promise<string[]> {
  const found: string[] = []
  for await (const { header } of source.retrieve(ct, wantedOf(sops))) found.push(header.sop)
  return found
}

/** A server that takes a list of UIDs for a success without objects, as CTN does. */
const takesNoLists =
  (whole: number) =>
  (objects: readonly { sop: string }[]): Step[] =>
    objects.length === whole ? wholeSeries(objects as never) : [{ status: 0, counters: { completed: 0 } }]

dicomSourceContract('a scripted DIMSE server', async (t, folder) => {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.dcm'),
  )
  const objects = await scriptedObjects(files.map((name) => join(folder, name)))
  return await open(t, await startScriptedScp(t, { objects }))
})

t.test('a whole series comes with one C-GET on one association, and the next one on the same', async (t) => {
  const { scp, source, ct } = await serve(t)
  t.equal((await retrieved(source, ct)).length, 6)
  t.match(scp.counts, { associations: 1, 'C-FIND': 1, 'C-GET': 1 })
  t.equal((await retrieved(source, ct)).length, 6)
  t.match(scp.counts, { associations: 1, 'C-FIND': 1, 'C-GET': 2 }, 'what is known is not asked again')
  await source.close()
  t.equal(scp.counts.releases, 1)
  await until(() => scp.open() === 0)
})

t.test('an association that nobody needs is released after a while', async (t) => {
  const { scp, source, ct } = await serve(t, { idleMs: 50 })
  await retrieved(source, ct)
  t.equal(scp.open(), 1)
  await until(() => scp.open() === 0)
  t.equal(scp.counts.releases, 1)
  t.equal((await retrieved(source, ct)).length, 6)
})

t.test('a server that stalls is asked on more associations, within the budget', async (t) => {
  for (const associations of [4, 2]) {
    const { scp, source, ct } = await serve(t, { slices: 60, config: { associations } })
    scp.script.retrieve = (objects) =>
      wholeSeries(objects).flatMap((step): Step[] =>
        'send' in (step as object) ? [{ waitMs: 25 }, step] : [step],
      )
    let most = 0
    const found = new Set<string>()
    for await (const { header } of source.retrieve(ct, wantedOf(ct.sops))) {
      found.add(header.sop)
      most = Math.max(most, scp.open())
    }
    t.equal(found.size, 60)
    t.equal(most, associations)
    await source.close()
    await until(() => scp.open() === 0)
  }
})

t.test('where a list of UIDs brings nothing the series does, and it is remembered', async (t) => {
  const { scp, source, ct } = await serve(t)
  scp.script.retrieve = takesNoLists(6)
  const some = ct.sops.slice(1, 5)
  t.same((await retrieved(source, ct, some)).sort(), [...some].sort(), 'and nothing else of it')
  t.match(scp.counts, { associations: 1, 'C-GET': 2 })
  t.equal((await retrieved(source, ct, some)).length, 4)
  t.match(scp.counts, { 'C-GET': 3 }, 'the way that works is the first now')
  t.same((await source.probe()).methods, ['c-get-series', 'c-get'])
})

t.test('what did not come is asked for again by the next method', async (t) => {
  const { scp, source, ct } = await serve(t)
  const asked: number[] = []
  const part = after(2, { status: 0xb000, counters: { completed: 2, failed: 4 } })
  scp.script.retrieve = (objects) => {
    asked.push(objects.length)
    return asked.length === 1 ? part(objects) : wholeSeries(objects)
  }
  const first = await retrieved(source, ct)
  t.equal(first.length, 2)
  t.equal(scp.counts['C-GET'], 1, 'a part is no reason to ask again at once: that is for the caller')
  const rest = ct.sops.filter((sop) => !first.includes(sop))
  t.same((await retrieved(source, ct, rest)).sort(), rest.sort())
  t.same(asked, [6, 6], 'the series, not a list of four')
  await retrieved(source, ct, rest)
  t.same(asked, [6, 6, 4], 'after a success the best way is the first again')
})

t.test('headers are asked for by every method before they count as incomplete', async (t) => {
  const { scp, source, ct } = await serve(t)
  scp.script.retrieve = after(2, { status: 0xb000, counters: { completed: 2, failed: 4 } })
  await t.rejects(gather(source.headers(ct)), {
    code: 'MDM_SOURCE_INCOMPLETE',
    details: { missing: 4, objects: 6 },
  })
  t.equal(scp.counts['C-GET'], 2)
  scp.script.retrieve = (objects) => [{ send: objects }, { status: 0, counters: { completed: 6 } }]
  t.equal((await gather(source.headers(ct))).length, 6)
})

t.test(
  'objects out of order, twice, not asked for or all at once: each that was asked for comes once',
  async (t) => {
    const { scp, source, ct } = await serve(t)
    const wrong: NonNullable<Script['retrieve']>[] = [
      (objects) => [{ send: objects.toReversed() }, { status: 0 }],
      (objects) => [{ send: [...objects, ...objects.toReversed()] }, { status: 0 }],
      (objects) => [{ send: [{ ...objects[0]!, sop: '1.2.3.4' }] }, { send: objects }, { status: 0 }],
      (objects) => [{ sendAtOnce: objects }, { status: 0 }],
    ]
    for (const retrieve of wrong) {
      scp.script.retrieve = retrieve
      t.same((await retrieved(source, ct)).sort(), [...ct.sops].sort())
    }
    t.ok(scp.answers.every((status) => status === 0))
  },
)

t.test('an object that says it is another one does not come', async (t) => {
  const { scp, source, ct } = await serve(t)
  scp.objects = scp.objects.map((object, k) => (k === 3 ? { ...object, data: scp.objects[2]!.data } : object))
  t.same(
    await retrieved(source, ct),
    ct.sops.filter((_, k) => k !== 3),
  )
  const headers = await gather(source.headers(ct))
  t.match(headers[3], { sop: ct.sops[3], fault: 'MDM_DICOM' }, 'and its header says that it is damaged')
})

t.test('a connection that breaks is an error at once, and the next attempt takes another way', async (t) => {
  const { scp, source, ct } = await serve(t, { config: { inactivitySeconds: 0.7 } })
  for (const [end, dimse] of [
    ['abort', 'aborted'],
    ['close', 'closed'],
    ['reset', 'reset'],
    ['silence', 'inactive'],
  ] as const) {
    scp.script.retrieve = (objects) => [{ sendPart: objects[0]!, bytes: 4096 }, end]
    await t.rejects(retrieved(source, ct), { code: 'MDM_SOURCE_UNREACHABLE', details: { dimse } })
    scp.script.retrieve = wholeSeries
    t.equal((await retrieved(source, ct)).length, 6)
  }
  await source.close()
  await until(() => scp.open() === 0)
})

t.test('a server that cannot be reached, or will not have us, says which', async (t) => {
  const { scp, source, ct } = await serve(t, { config: { associationSeconds: 0.7, inactivitySeconds: 0.7 } })
  for (const [associate, code] of [
    ['abort', 'MDM_SOURCE_UNREACHABLE'],
    ['silence', 'MDM_SOURCE_UNREACHABLE'],
    ['reject', 'MDM_SOURCE_REFUSED'],
    ['reject-for-now', 'MDM_SOURCE_UNREACHABLE'],
    ['refuse-contexts', 'MDM_SOURCE_REFUSED'],
  ] as const) {
    scp.script.associate = associate
    await t.rejects(retrieved(source, ct), { code }, associate)
    t.match(await source.probe(), { steps: [{ step: 'associate', ok: false, code }] })
  }
  delete scp.script.associate
  t.equal((await retrieved(source, ct)).length, 6)
})

t.test('aborting ends a retrieve that waits, and gives its slot back', async (t) => {
  const { scp, source, ct } = await serve(t, { config: { associations: 1 } })
  scp.script.retrieve = after(2, 'silence')
  const abort = new AbortController()
  const instances = source.retrieve(ct, wantedOf(ct.sops), abort.signal)[Symbol.asyncIterator]()
  await instances.next()
  const next = instances.next().then(() => instances.next())
  setTimeout(() => abort.abort(), 50)
  await t.rejects(next, { name: 'AbortError' })
  scp.script.retrieve = wholeSeries
  t.equal((await retrieved(source, ct)).length, 6)
  await until(() => scp.open() === 1)
})

t.test('a reader that leaves while the server is silent holds nobody up', async (t) => {
  const { scp, source, ct } = await serve(t, { config: { associations: 1 } })
  scp.script.retrieve = after(2, 'silence')
  for await (const _ of source.retrieve(ct, wantedOf(ct.sops))) break
  scp.script.retrieve = wholeSeries
  t.equal((await retrieved(source, ct)).length, 6)
})

t.test('delivery and registration share the associations', async (t) => {
  const { scp, source, ct } = await serve(t, { config: { associations: 2 } })
  let most = 0
  const watch = async (items: AsyncIterable<unknown>) => {
    let count = 0
    for await (const _ of items) {
      count++
      most = Math.max(most, scp.open())
    }
    return count
  }
  const work = Array.from({ length: 4 }, () => [
    source.headers(ct),
    source.retrieve(ct, wantedOf(ct.sops)),
  ]).flat()
  t.same(
    await Promise.all(work.map(watch)),
    Array.from({ length: 8 }, () => 6),
  )
  t.ok(most <= 2, `${most} at once`)
})

t.test('C-MOVE brings objects to our own listener where C-GET does not work', async (t) => {
  const arrivals = createArrivals('MDM-IN')
  const strangers: string[] = []
  const listener = await serveDimse({
    ...{ host: '127.0.0.1', port: 0, ae: 'MDM-IN' },
    authorize: () => true,
    async onStore(object, from) {
      const status = from.calling === 'SCRIPTED' ? arrivals.take(object, 'pacs') : undefined
      if (status === undefined) strangers.push(object.sop)
      return (await status) ?? 0
    },
  })
  t.teardown(() => listener.close())
  const destinations = { 'MDM-IN': listener.port }
  const pushes = { ae: 'SCRIPTED', addresses: ['127.0.0.1'] }
  const { scp, source, ct } = await serve(t, { arrivals, destinations, config: { pushes } })
  scp.script.retrieve = (objects) =>
    scp.counts['C-MOVE'] === 0 ? [{ status: 0xa702 }] : wholeSeries(objects)
  t.same((await retrieved(source, ct)).sort(), [...ct.sops].sort())
  t.match(scp.counts, { 'C-GET': 2, 'C-MOVE': 1 })
  t.same((await retrieved(source, ct)).sort(), [...ct.sops].sort())
  t.match(scp.counts, { 'C-GET': 2, 'C-MOVE': 2 }, 'it is the first way from now on')
  t.same(strangers, [])
  t.equal((await gather(source.headers(ct))).length, 6)
  scp.script.retrieve = after(2, 'abort')
  await t.rejects(retrieved(source, ct), { code: 'MDM_SOURCE_UNREACHABLE' })
})

t.test('an object that arrives for another source, or that nobody asked for, is not taken', async (t) => {
  const arrivals = createArrivals('MDM-IN')
  const object = { sopClass: '1', sop: '1.2', transferSyntax: '1', chunks: (async function* () {})() }
  const expected = arrivals.expect('pacs', new Set(['1.2']))
  t.equal(arrivals.take(object, 'other'), undefined)
  t.equal(arrivals.take({ ...object, sop: '1.3' }, 'pacs'), undefined)
  const status = arrivals.take(object, 'pacs')
  for await (const arrived of expected) {
    t.equal(arrived.sop, '1.2')
    expected.end()
  }
  t.equal(await status, 0)
  t.equal(arrivals.take(object, 'pacs'), undefined, 'who has gone expects nothing')
})

t.test('a configuration that cannot be is refused', async (t) => {
  const urls = [
    'dicom://127.0.0.1:104',
    'dicom://A:B@127.0.0.1',
    'dicom://AE@127.0.0.1/x',
    'dicoms://AE@127.0.0.1',
  ]
  for (const url of [...urls, 'dicom://SEVENTEEN-LETTERS@127.0.0.1', 'dicom://AE@']) {
    const config = SourceConfig.parse({ name: 'pacs', url })
    const options = await readServerOptions(config)
    t.throws(() => dimseSource(config, options), { code: 'MDM_CONFIG' }, url)
  }
  for (const retrieve of [['c-move'], ['wado-rs']] as const) {
    const config = SourceConfig.parse({ name: 'pacs', url: 'dicom://AE@127.0.0.1', retrieve })
    const options = await readServerOptions(config)
    t.throws(() => dimseSource(config, options), { code: 'MDM_CONFIG' }, retrieve[0])
  }
})

async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const gathered: T[] = []
  for await (const item of items) gathered.push(item)
  return gathered
}

/** Waits until a condition holds; half a minute at the most. */
async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + 30_000; !condition() && performance.now() < end;)
    await new Promise((resolve) => setTimeout(resolve, 10))
  if (!condition()) throw new Error('it did not happen within half a minute')
}
