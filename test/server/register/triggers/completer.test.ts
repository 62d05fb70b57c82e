import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MdmError } from '../../../../packages/core/src/errors.ts'
import type { SeriesRef } from '../../../../packages/server/src/dicom/source.ts'
import { openLog } from '../../../../packages/server/src/http/log.ts'
import { completeSeries } from '../../../../packages/server/src/register/triggers/completer.ts'
import { openNotices, type Notices } from '../../../../packages/server/src/register/triggers/notices.ts'
import { openSiteStore } from '../../../../packages/server/src/store/site-store.ts'
import { until } from './live-grid.ts'
import { fakeSource, type FakeSource } from './fake-source.ts'

const QUIET_MS = 300
/** Where something is to come again within it, also on a busy machine. */
const LONG_QUIET_MS = 1_800

interface Running {
  readonly source: FakeSource
  readonly notices: Notices
  readonly registered: { series: string; objects: number; at: number }[]
  readonly log: string[]
  note(ref: SeriesRef, objects?: number): Promise<void>
}

/** A completer over a real store, whose source and registration are the test's. */
async function start(
  t: Test,
  o: { register?: (ref: SeriesRef) => Promise<void>; quietMs?: number } = {},
): Promise<Running> {
  const db = await openSiteStore(join(t.testdir(), 'site.sqlite'))
  const source = fakeSource()
  const notices = await openNotices(db, () => new Date())
  const registered: Running['registered'] = []
  const lines: string[] = []
  const stop = new AbortController()
  const running = completeSeries({
    ...{ notices, source, quietMs: o.quietMs ?? QUIET_MS, signal: stop.signal },
    log: openLog({ destination: { write: (line: string) => void lines.push(line) } }),
    async register(ref) {
      await o.register?.(ref)
      const objects = source.has.get(`${ref.study} ${ref.series}`)?.objects ?? 0
      registered.push({ series: ref.series, objects, at: performance.now() })
    },
  })
  t.teardown(async () => {
    stop.abort()
    await running
    await db.destroy()
  })
  const note: Running['note'] = (ref, objects) => notices.note('listener', [{ source: 'pacs', ref, objects }])
  return { ...{ source, notices, registered, note }, log: lines }
}

t.test('a series is registered once nothing points at it for the quiet period', async (t) => {
  const { source, notices, registered, note } = await start(t, { quietMs: LONG_QUIET_MS })
  const ref = source.put('1', 0)
  for (let i = 1; i <= 5; i++) {
    source.put('1', i)
    await note(ref)
    await sleep(LONG_QUIET_MS / 30)
  }
  const last = performance.now()
  await until(async () => notices.count('pacs') === 0)
  t.match(registered, [{ series: '1.2.1', objects: 5 }])
  t.equal(registered.length, 1)
  t.ok(registered[0]!.at - last >= LONG_QUIET_MS * 0.9, 'not earlier')
})

t.test('a series whose count still changes waits, though nothing points at it', async (t) => {
  const { source, notices, registered, note } = await start(t, { quietMs: LONG_QUIET_MS })
  const ref = source.put('1', 1)
  await note(ref)
  for (let i = 2; i <= 13; i++) {
    await sleep(LONG_QUIET_MS / 10)
    source.put('1', i)
  }
  await until(async () => notices.count('pacs') === 0)
  t.same(
    registered.map(({ objects }) => objects),
    [13],
  )
})

t.test('what comes while a series is registered is registered after it', async (t) => {
  let late = true
  const grid = await start(t, {
    register: async (ref) => {
      if (!late) return
      late = false
      grid.source.put('1', 4)
      await grid.note(ref)
    },
  })
  await grid.note(grid.source.put('1', 3))
  await until(async () => grid.notices.count('pacs') === 0)
  t.equal(grid.registered.length, 2)
})

t.test(
  'a count that changed while a series was registered keeps it, though nothing points at it',
  async (t) => {
    let late = true
    const grid = await start(t, {
      register: async () => {
        if (late) grid.source.put('1', 4)
        late = false
      },
    })
    await grid.note(grid.source.put('1', 3))
    await until(async () => grid.notices.count('pacs') === 0)
    t.equal(grid.registered.length, 2)
  },
)

t.test('a source that is away keeps its notices, and registration goes on when it is back', async (t) => {
  const { source, notices, registered, note, log } = await start(t)
  source.away = true
  await note(source.put('1', 3))
  await until(async () => log.some((line) => line.includes('MDM_SOURCE_UNREACHABLE')))
  t.equal(notices.count('pacs'), 1)
  t.notMatch(log.join(''), /1\.2\.1/, 'no UID in the log')
  source.away = false
  await until(async () => notices.count('pacs') === 0)
  t.equal(registered.length, 1)
})

t.test('one series that cannot be handled keeps no other one out', async (t) => {
  const { source, notices, registered, note } = await start(t, {
    register: async ({ series }) => {
      if (series === '1.2.1') throw new Error('odd')
    },
  })
  await note(source.put('1', 3))
  await note(source.put('2', 3))
  await until(async () => notices.count('pacs') === 1)
  t.same(
    registered.map(({ series }) => series),
    ['1.2.2'],
  )
  t.ok(notices.find('pacs', { study: '1.2', series: '1.2.1' }), 'it stays noticed')
})

t.test('a series that the source does not show is waited for, then handed on to be refused', async (t) => {
  const { source, notices, registered, note } = await start(t)
  const began = performance.now()
  await note({ study: '1.2', series: '1.2.9' }, 0)
  await until(async () => notices.count('pacs') === 0)
  t.same(
    registered.map(({ objects }) => objects),
    [0],
  )
  t.ok(registered[0]!.at - began >= 5 * QUIET_MS)
  await note({ study: '1.2', series: '1.2.8' })
  await sleep(2 * QUIET_MS)
  source.put('8', 2)
  await until(async () => notices.count('pacs') === 0)
  t.match(registered[1], { series: '1.2.8', objects: 2 }, 'one that is late is taken as it comes')
})

t.test('a fault of registration is tried again', async (t) => {
  let faults = 1
  const { source, notices, registered, note } = await start(t, {
    register: async () => {
      if (faults-- > 0) throw new MdmError('MDM_AUDIT')
    },
  })
  await note(source.put('1', 3))
  await until(async () => notices.count('pacs') === 0)
  t.equal(registered.length, 1)
})
