import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MdmError } from '../../../../packages/core/src/errors.ts'
import { openNotices } from '../../../../packages/server/src/register/triggers/notices.ts'
import { openSiteStore, type SiteStore } from '../../../../packages/server/src/store/site-store.ts'

const now = () => new Date('2026-03-04T05:06:07Z')
const ref = { study: '1.2', series: '1.2.3' }
const hint = { source: 'pacs', ref }

async function open(t: Test): Promise<SiteStore> {
  const db = await openSiteStore(join(t.testdir(), 'site.sqlite'))
  t.teardown(() => db.destroy())
  return db
}
const rows = (db: SiteStore) => db.selectFrom('notices').selectAll().execute()

t.test(
  'a notice is on the disk when note() resolves, and after a restart it counts as just touched',
  async (t) => {
    const db = await open(t)
    const notices = await openNotices(db, now)
    await notices.note('listener', [hint])
    t.same(await rows(db), [
      { source: 'pacs', ...ref, noticed_by: 'listener', noticed: '2026-03-04T05:06:07.000Z' },
    ])
    const before = performance.now()
    const again = await openNotices(db, now)
    const found = again.find('pacs', ref)
    t.match(found, { trigger: 'listener', counted: undefined, ref })
    t.ok(found!.touchedAt >= before)
  },
)

t.test(
  'a thousand objects of one series are one commit, and objects that come together are one',
  async (t) => {
    const db = await open(t)
    let commits = 0
    const counted = new Proxy(db, {
      get: (target, name) => {
        if (name === 'transaction') commits++
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const notices = await openNotices(counted, now)
    for (let i = 0; i < 1_000; i++) await notices.note('listener', [hint])
    t.equal(commits, 1)
    t.equal(notices.find('pacs', ref)!.touches, 1_000)
    const others = Array.from({ length: 50 }, (_, i) => ({
      source: 'pacs',
      ref: { study: '1', series: `1.${i}` },
    }))
    await Promise.all(others.map((other) => notices.note('listener', [other])))
    t.equal(commits, 2)
    t.equal((await rows(db)).length, 51)
  },
)

t.test(
  'a notice that was touched while it was dealt with stays; one touched as it goes comes back',
  async (t) => {
    const db = await open(t)
    const notices = await openNotices(db, now)
    await notices.note('poll', [{ ...hint, objects: 3, mark: 'm' }])
    const notice = notices.find('pacs', ref)!
    t.match(notice.counted, { objects: 3 })
    const { touches } = notice
    await notices.note('listener', [hint])
    t.equal(await notices.settle(notice, touches, 3), false)
    t.equal((await rows(db)).length, 1)
    const settling = notices.settle(notice, notice.touches, 3)
    const touching = notices.note('listener', [hint])
    t.equal(await settling, true)
    await touching
    t.equal((await rows(db)).length, 1, 'the late slice has a row of its own')
    const late = notices.find('pacs', ref)!
    t.equal(await notices.settle(late, late.touches, 4), true)
    t.same(await rows(db), [])
    t.match(await db.selectFrom('series_counts').selectAll().execute(), [{ ...ref, objects: 4 }])
    t.equal(notices.count('pacs'), 0)
  },
)

t.test('what could not be written is not taken for written', async (t) => {
  const db = await open(t)
  let broken = true
  const flaky = new Proxy(db, {
    get: (target, name) => {
      if (name === 'transaction' && broken) throw new MdmError('MDM_STORE')
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const notices = await openNotices(flaky, now)
  await t.rejects(notices.note('listener', [hint]), { code: 'MDM_STORE' })
  await t.rejects(notices.note('listener', [hint]), { code: 'MDM_STORE' }, 'nor on the second try')
  broken = false
  await notices.note('listener', [hint])
  t.equal((await rows(db)).length, 1)
  const notice = notices.find('pacs', ref)!
  broken = true
  await t.rejects(notices.settle(notice, notice.touches, 1), { code: 'MDM_STORE' })
  await t.rejects(notices.note('listener', [hint]), { code: 'MDM_STORE' }, 'its row may be gone')
  broken = false
  await notices.note('listener', [hint])
  t.equal((await rows(db)).length, 1)
})
