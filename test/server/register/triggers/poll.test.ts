import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { openNotices, type Notices } from '../../../../packages/server/src/register/triggers/notices.ts'
import { createPoll } from '../../../../packages/server/src/register/triggers/poll.ts'
import { storeLocation } from '../../../../packages/server/src/store/open-store.ts'
import { openSiteStore, type SiteStore } from '../../../../packages/server/src/store/site-store.ts'
import { registerAll, startSiteGrid } from '../../site-grid.ts'
import { fakeSource, type FakeSource } from './fake-source.ts'

const now = () => new Date('2026-03-04T05:06:07Z')

interface Polled {
  readonly db: SiteStore
  readonly source: FakeSource
  readonly notices: Notices
  poll(): Promise<void>
  /** series that are noticed now; dealing with them is the test's */
  noticed(): string[]
  settle(): Promise<void>
}

async function start(t: Test, o: { pollDays?: number } = {}): Promise<Polled> {
  const db = await openSiteStore(join(t.testdir(), 'site.sqlite'))
  t.teardown(() => db.destroy())
  const source = fakeSource()
  const notices = await openNotices(db, now)
  const look = createPoll({ db, notices, source, pollDays: o.pollDays, now })
  return {
    ...{ db, source, notices },
    poll: () => look(new AbortController().signal),
    noticed: () => [...notices.of('pacs')].map(({ ref }) => ref.series).sort(),
    async settle() {
      for (const notice of [...notices.of('pacs')])
        await notices.settle(notice, notice.touches, await source.count(notice.ref))
    },
  }
}

t.test('a poll notices what is new, what grew, shrank or was written over, and what is gone', async (t) => {
  const { db, source, poll, noticed, settle } = await start(t)
  for (const name of ['same', 'grows', 'shrinks', 'changes', 'goes']) source.put(name, 5, 'mark')
  await poll()
  t.equal(noticed().length, 5)
  await settle()
  await poll()
  t.same(noticed(), [], 'what is known and as it was is left alone')
  source.put('new', 1, 'mark')
  source.put('grows', 6, 'other')
  source.put('shrinks', 4, 'other')
  source.put('changes', 5, 'other')
  source.has.delete('1.2 1.2.goes')
  const counts = source.asked.counts
  await poll()
  t.same(noticed(), ['1.2.changes', '1.2.goes', '1.2.grows', '1.2.new', '1.2.shrinks'])
  t.equal(source.asked.counts, counts, 'a source that says counts by the way is not asked for them')
  await settle()
  await poll()
  t.same(noticed(), [], 'one that is gone is gone once')
  source.put('goes', 5, 'mark')
  await poll()
  t.same(noticed(), ['1.2.goes'], 'and may come back')
  t.match(await db.selectFrom('source_looks').selectAll().execute(), [
    { source: 'pacs', looked_by: 'poll', looked: now().toISOString() },
  ])
})

t.test('a series that is looked at while it waits becomes quiet all the same', async (t) => {
  const { source, notices, poll } = await start(t)
  const ref = source.put('1', 5, 'mark')
  await poll()
  const { touches } = notices.find('pacs', ref)!
  await poll()
  t.equal(notices.find('pacs', ref)!.touches, touches)
  source.put('1', 5, 'another mark')
  await poll()
  t.equal(notices.find('pacs', ref)!.touches, touches + 1)
})

t.test(
  'a source that says no counts is asked for them, some in each look, and each in its turn',
  async (t) => {
    const { source, poll, noticed, settle } = await start(t)
    source.mute = true
    for (let i = 0; i < 700; i++) source.put(String(i), 5)
    await poll()
    t.equal(noticed().length, 700)
    await settle()
    source.put('3', 6)
    source.put('650', 6)
    source.asked.counts = 0
    await poll()
    t.equal(source.asked.counts, 500)
    const first = noticed()
    await poll()
    t.same([first, noticed()], [['1.2.3'], ['1.2.3', '1.2.650']])
  },
)

t.test('with pollDays only studies of these days, and one more, are asked for', async (t) => {
  const { source, poll } = await start(t, { pollDays: 7 })
  await poll()
  t.same(source.asked.series, [{ studyDate: { from: '20260224' } }])
})

t.test('a source that shows nothing of what it had is away, not empty', async (t) => {
  const { source, poll, noticed, settle } = await start(t)
  for (let i = 0; i < 10; i++) source.put(String(i), 5)
  await poll()
  await settle()
  source.has.clear()
  await t.rejects(poll(), { code: 'MDM_SOURCE_UNREACHABLE' })
  t.same(noticed(), [])
  source.away = true
  await t.rejects(poll(), { code: 'MDM_SOURCE_UNREACHABLE' })
})

t.test('what was registered by hand is known without reading a header', async (t) => {
  const grid = await startSiteGrid(t, { series: [{}, { slices: 5 }] })
  await registerAll(await grid.as('admin'))
  await grid.stopSite()
  const { config } = grid.provisioned.site
  const { store } = JSON.parse(await readFile(config, 'utf8')) as { store: string }
  const db = await openSiteStore(storeLocation(store, (path) => join(dirname(config), path)))
  t.teardown(() => db.destroy())
  const volumes = await db.selectFrom('volumes').select(['study', 'series']).orderBy('lfn').execute()
  const source = fakeSource('folder')
  const put = (i: number, objects: number) =>
    source.has.set(`${volumes[i]!.study} ${volumes[i]!.series}`, { ...volumes[i]!, objects })
  put(0, 4)
  put(1, 6)
  const notices = await openNotices(db, now)
  const poll = (pollDays?: number) =>
    createPoll({ db, notices, source, pollDays, now })(new AbortController().signal)
  await poll()
  const noticed = [...notices.of('folder')].map(({ ref }) => ref)
  t.same(noticed, [volumes[1]], 'one has a slice more')
  t.match(await db.selectFrom('series_counts').selectAll().execute(), [{ ...volumes[0], objects: 4 }])
  source.has.clear()
  await poll(1)
  t.equal(notices.find('folder', volumes[0]!), undefined, 'a study of another year is not missed')
  await poll()
  t.ok(notices.find('folder', volumes[0]!), 'a look at everything misses it')
})
