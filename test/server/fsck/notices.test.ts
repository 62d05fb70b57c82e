import { join } from 'node:path'
import t from 'tap'
import { collect } from '../../../packages/server/src/fsck/findings.ts'
import { checkNotices } from '../../../packages/server/src/fsck/notices.ts'
import { openSiteStore } from '../../../packages/server/src/store/site-store.ts'

t.test(
  'what is noticed for a day, or of no source, is found; what was noticed just now is not',
  async (t) => {
    const db = await openSiteStore(join(t.testdir(), 'site.sqlite'))
    t.teardown(() => db.destroy())
    const now = new Date('2026-03-04T12:00:00Z')
    const look = async () => {
      const to = collect()
      await checkNotices(db, { sources: ['pacs'], now }, to)
      return to.report().findings.map(({ name, level, subject }) => [name, level, subject])
    }
    const notice = (source: string, series: string, noticed: string) =>
      db.insertInto('notices').values({ source, study: '1', series, noticed_by: 'poll', noticed }).execute()
    await notice('pacs', '1.1', '2026-03-04T11:00:00.000Z')
    t.same(await look(), [])
    await notice('pacs', '1.2', '2026-03-03T11:00:00.000Z')
    await notice('gone', '1.3', '2026-03-04T11:00:00.000Z')
    t.same(await look(), [
      ['notice-open', 'warn', '1 series'],
      ['notice-unknown-source', 'warn', '1 series'],
    ])
  },
)
