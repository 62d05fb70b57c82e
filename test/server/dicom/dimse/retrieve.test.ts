import t from 'tap'
import type { ScriptedObject } from '../../../fixtures/scripted-objects.ts'
import { after, startScriptedScp, wholeSeries, type Script } from '../../../fixtures/scripted-scp.ts'
import { gather, getAll, listen, objectsOf, open, openSockets, until } from './both-ends.ts'

const SERIES = { level: 'SERIES', study: '1.2', series: '1.2.3' } as const
const OBJECTS = objectsOf(5, 150_001)

t.test('a series is found and fetched, every byte as it was', async (t) => {
  const scp = await startScriptedScp(t, { objects: OBJECTS })
  const association = await open(t, scp.port)
  const found: ReadonlyMap<string, string>[] = []
  const keys = { '0020000d': '1.2', '0020000e': '1.2.3', '00080018': '', '00200013': '' }
  for await (const match of association.find({ model: 'study', level: 'IMAGE', keys })) found.push(match)
  t.same(
    found.map((match) => match.get('00080018')),
    OBJECTS.map(({ sop }) => sop),
  )
  t.equal(found[2]?.get('00200013'), '3')
  const { objects, counters } = await getAll(association, SERIES)
  for (const { sop, data } of OBJECTS) t.ok(objects.get(sop)?.equals(data), sop)
  t.same(counters, { status: 0, completed: 5, failed: 0, warning: 0, remaining: undefined, received: 5 })
  t.same(scp.answers, [0, 0, 0, 0, 0])
  await association.release()
  t.equal(scp.counts.releases, 1)
})

t.test('objects of a list are fetched alone', async (t) => {
  const scp = await startScriptedScp(t, { objects: OBJECTS })
  const { order } = await getAll(await open(t, scp.port), {
    ...SERIES,
    level: 'IMAGE',
    sops: ['1.2.3.4', '1.2.3.2'],
  })
  t.same(order, ['1.2.3.2', '1.2.3.4'])
})

t.test('objects that come interleaved with their answers, out of order and twice all arrive', async (t) => {
  const shuffled = [4, 0, 2, 2, 1, 3].map((at) => OBJECTS[at]!)
  const script: Script = {
    retrieve: () => [{ sendAtOnce: shuffled }, { status: 0, counters: { completed: 6 } }],
  }
  const scp = await startScriptedScp(t, { objects: OBJECTS, script })
  const { order, counters } = await getAll(await open(t, scp.port), SERIES)
  t.same(
    order,
    shuffled.map(({ sop }) => sop),
  )
  t.match(counters, { completed: 6, received: 6, failed: undefined })
})

t.test('what nobody reads is thrown away, and the next object comes whole', async (t) => {
  const scp = await startScriptedScp(t, { objects: OBJECTS })
  const running = (await open(t, scp.port)).get(SERIES)
  const seen: number[] = []
  for (let at = 0; at < 5; at++) {
    const { value } = await running.next()
    if (value === undefined || !('chunks' in value)) return t.fail('an object is missing')
    if (at === 1) for await (const chunk of value.chunks) if (chunk.length > 0) break
    if (at === 2) seen.push((await gather(value.chunks)).length)
    if (at === 4) t.ok((await gather(value.chunks)).equals(OBJECTS[4]!.data))
  }
  t.match((await running.next()).value, { received: 5 })
  t.same(seen, [150_001])
})

const FAULTS: Record<string, { script: Script; code: string; dimse: string; objects?: number }> = {
  'aborts before it accepts': {
    script: { associate: 'abort' },
    code: 'MDM_SOURCE_UNREACHABLE',
    dimse: 'aborted',
  },
  'closes before it accepts': {
    script: { associate: 'close' },
    code: 'MDM_SOURCE_UNREACHABLE',
    dimse: 'closed',
  },
  'resets before it accepts': {
    script: { associate: 'reset' },
    code: 'MDM_SOURCE_UNREACHABLE',
    dimse: 'reset',
  },
  'says nothing to an association': {
    script: { associate: 'silence' },
    ...{ code: 'MDM_SOURCE_UNREACHABLE', dimse: 'association-timeout' },
  },
  'rejects for good': { script: { associate: 'reject' }, code: 'MDM_SOURCE_REFUSED', dimse: 'rejected' },
  'rejects for now': {
    script: { associate: 'reject-for-now' },
    code: 'MDM_SOURCE_UNREACHABLE',
    dimse: 'rejected',
  },
  'accepts no context': {
    script: { associate: 'refuse-contexts' },
    code: 'MDM_SOURCE_REFUSED',
    dimse: 'no-context',
  },
  'aborts after it accepted': {
    script: { associate: 'abort-after-accept' },
    ...{ code: 'MDM_SOURCE_UNREACHABLE', dimse: 'aborted' },
  },
  'aborts after 2 of 5 objects': {
    script: { retrieve: after(2, 'abort') },
    ...{ code: 'MDM_SOURCE_UNREACHABLE', dimse: 'aborted', objects: 2 },
  },
  'closes after 2 of 5 objects': {
    script: { retrieve: after(2, 'close') },
    ...{ code: 'MDM_SOURCE_UNREACHABLE', dimse: 'closed', objects: 2 },
  },
  'falls silent after 2 of 5 objects': {
    script: { retrieve: after(2, 'silence') },
    ...{ code: 'MDM_SOURCE_UNREACHABLE', dimse: 'inactive', objects: 2 },
  },
  'aborts in the middle of an object': {
    script: { retrieve: after(1, { sendPart: OBJECTS[1]!, bytes: 50_000 }, 'abort') },
    ...{ code: 'MDM_SOURCE_UNREACHABLE', dimse: 'aborted', objects: 1 },
  },
  'resets in the middle of an object': {
    script: { retrieve: after(1, { sendPart: OBJECTS[1]!, bytes: 50_000 }, { waitMs: 50 }, 'reset') },
    ...{ code: 'MDM_SOURCE_UNREACHABLE', dimse: 'reset', objects: 1 },
  },
  'falls silent in the middle of an object': {
    script: { retrieve: after(1, { sendPart: OBJECTS[1]!, bytes: 50_000 }, 'silence') },
    ...{ code: 'MDM_SOURCE_UNREACHABLE', dimse: 'inactive', objects: 1 },
  },
  'is out of resources': {
    script: { retrieve: after(2, { status: 0xa702, counters: { completed: 2, failed: 3 } }) },
    ...{ code: 'MDM_SOURCE_INCOMPLETE', dimse: 'status', objects: 2 },
  },
  'could not process': {
    script: { retrieve: after(0, { status: 0xc000, counters: { completed: 0, failed: 5 } }) },
    ...{ code: 'MDM_SOURCE_INCOMPLETE', dimse: 'status' },
  },
  'does not allow it': {
    script: { retrieve: after(0, { status: 0x0124 }) },
    ...{ code: 'MDM_SOURCE_REFUSED', dimse: 'status' },
  },
}

for (const [what, { script, code, dimse, objects = 0 }] of Object.entries(FAULTS)) {
  t.test(`a server that ${what} gives ${code} (${dimse}), and no socket stays`, async (t) => {
    const scp = await startScriptedScp(t, { objects: OBJECTS, script })
    const before = openSockets()
    let whole = 0
    const get = async (): Promise<void> => {
      const timeouts = { associationMs: 700, inactivityMs: 700 }
      const association = await open(t, scp.port, undefined, { timeouts })
      for await (const { chunks } of association.get(SERIES)) {
        await gather(chunks)
        whole++
      }
    }
    await t.rejects(get(), { code, details: { dimse } })
    t.equal(whole, objects, 'objects that came whole')
    if (dimse !== 'status') t.ok(await until(() => openSockets() <= before), 'no socket is left')
  })
}

t.test('wrong counters are handed on as they are: the caller holds them against what it knows', async (t) => {
  const script: Script = { retrieve: () => [{ status: 0, counters: { completed: 0, failed: 0 } }] }
  const scp = await startScriptedScp(t, { objects: OBJECTS, script })
  t.match((await getAll(await open(t, scp.port), SERIES)).counters, { completed: 0, received: 0, status: 0 })
  scp.script = { retrieve: after(2, { status: 0xb000, counters: { completed: 2, failed: 3 } }) }
  const warned = (await getAll(await open(t, scp.port), SERIES)).counters
  t.match(warned, { completed: 2, failed: 3, received: 2, status: 0xb000 })
})

t.test('an operation that ends without success leaves the association for the next', async (t) => {
  const scp = await startScriptedScp(t, {
    objects: OBJECTS,
    script: { retrieve: after(1, { status: 0xa701 }) },
  })
  const association = await open(t, scp.port)
  await t.rejects(getAll(association, SERIES), { code: 'MDM_SOURCE_INCOMPLETE', details: { status: 0xa701 } })
  scp.script = {}
  t.equal((await getAll(association, SERIES)).objects.size, 5)
})

t.test('a query that fails says whether it is worth another try', async (t) => {
  const scp = await startScriptedScp(t, { objects: OBJECTS })
  const query = async (): Promise<number> => {
    let matches = 0
    const keys = { '0020000d': '1.2', '0020000e': '1.2.3', '00080018': '' }
    const association = await open(t, scp.port)
    for await (const _ of association.find({ model: 'study', level: 'IMAGE', keys })) matches++
    return matches
  }
  scp.script = { find: { after: 2, end: { status: 0xa700 } } }
  await t.rejects(query(), { code: 'MDM_SOURCE_UNREACHABLE', details: { dimse: 'status' } })
  scp.script = { find: { after: 0, end: { status: 0xc000 } } }
  await t.rejects(query(), { code: 'MDM_SOURCE_REFUSED', details: { dimse: 'status' } })
  scp.script = { find: { after: 2, end: 'reset' } }
  await t.rejects(query(), { code: 'MDM_SOURCE_UNREACHABLE' })
  scp.script = {}
  t.equal(await query(), 5)
})

t.test('a move brings objects to our own provider', async (t) => {
  const here = await listen(t, { ae: 'MDM-IN' })
  const scp = await startScriptedScp(t, { objects: OBJECTS, destinations: { 'MDM-IN': here.port } })
  const association = await open(t, scp.port)
  const counters = await association.move({ ...SERIES, destination: 'MDM-IN' })
  t.match(counters, { completed: 5, status: 0 })
  t.same(
    here.kept.map(({ data }) => data),
    OBJECTS.map(({ data }) => data),
  )
  scp.script = { retrieve: after(0, { status: 0xa801 }) }
  await t.rejects(association.move({ ...SERIES, destination: 'OTHER' }), { code: 'MDM_SOURCE_REFUSED' })
  scp.script = { retrieve: after(3, { status: 0xa702, counters: { completed: 3, failed: 2 } }) }
  await t.rejects(association.move({ ...SERIES, destination: 'MDM-IN' }), {
    code: 'MDM_SOURCE_INCOMPLETE',
    details: { completed: 3, failed: 2 },
  })
})

t.test('whoever stops in the middle of a retrieve aborts it', async (t) => {
  const scp = await startScriptedScp(t, { objects: OBJECTS })
  const association = await open(t, scp.port)
  for await (const { sop } of association.get(SERIES)) if (sop === '1.2.3.2') break
  t.notOk(association.isOpen)
  await t.rejects(association.echo(), { code: 'MDM_SOURCE_UNREACHABLE' })
  t.ok(await until(() => scp.open() === 0))
  t.equal(scp.counts.releases, 0)
})

t.test('a signal ends a retrieve at once, with its own reason', async (t) => {
  const scp = await startScriptedScp(t, { objects: OBJECTS, script: { retrieve: after(1, 'silence') } })
  const stop = new AbortController()
  const association = await open(t, scp.port, undefined, {}, stop.signal)
  const running = getAll(association, SERIES)
  await until(() => scp.answers.length === 1)
  stop.abort(new Error('the reader is gone'))
  await t.rejects(running, new Error('the reader is gone'))
  t.ok(await until(() => scp.open() === 0))
})

t.test('a reset, a silence or an abort in place of an answer to the release is no error', async (t) => {
  for (const release of ['reset-after-answer', 'reset', 'close', 'abort', 'silence'] as const) {
    const scp = await startScriptedScp(t, { objects: OBJECTS, script: { release } })
    const association = await open(t, scp.port, undefined, { timeouts: { associationMs: 1_000 } })
    await getAll(association, SERIES)
    await t.resolves(association.release(), release)
    t.notOk(association.isOpen)
  }
})

t.test('two operations at once on one association are our own fault, and the first goes on', async (t) => {
  const scp = await startScriptedScp(t, { objects: OBJECTS, script: { retrieve: slowly } })
  const association = await open(t, scp.port)
  const first = getAll(association, SERIES)
  await t.rejects(association.echo(), { code: 'MDM_INTERNAL' })
  t.equal((await first).objects.size, 5)
})

function slowly(objects: readonly ScriptedObject[]) {
  return [{ waitMs: 100 }, ...wholeSeries(objects)]
}
