import { join } from 'node:path'
import t from 'tap'
import { createRegistry } from '../../../../packages/server/src/http/metrics/registry.ts'
import { openLog } from '../../../../packages/server/src/http/log.ts'
import { measureTriggers } from '../../../../packages/server/src/register/triggers/measure.ts'
import { openNotices } from '../../../../packages/server/src/register/triggers/notices.ts'
import { startTriggers } from '../../../../packages/server/src/register/triggers/triggers.ts'
import { openSiteStore } from '../../../../packages/server/src/store/site-store.ts'
import { fakeSource } from './fake-source.ts'
import { until } from './live-grid.ts'

t.test(
  'what waits, how overdue it is and how old the oldest look is are measured, without a name',
  async (t) => {
    const db = await openSiteStore(join(t.testdir(), 'site.sqlite'))
    let ms = Date.parse('2026-03-04T05:06:07Z')
    const now = () => new Date(ms)
    const notices = await openNotices(db, now)
    const good = fakeSource('good')
    const away = fakeSource('away')
    away.away = true
    good.put('1', 5)
    const times = { quietMs: 50, pollMs: 3_600_000 }
    const sources = [good, away].map((source) => ({ source, ...times }))
    const lines: string[] = []
    const log = openLog({ destination: { write: (line: string) => void lines.push(line) } })
    // Registration that never ends keeps what is noticed overdue.
    const ending = Promise.withResolvers<void>()
    const triggers = startTriggers({ db, notices, sources, now, log, register: () => ending.promise })
    t.teardown(async () => {
      ending.resolve()
      await triggers.close()
      await db.destroy()
    })
    const registry = createRegistry()
    measureTriggers(registry, { notices, triggers, sources, now })
    const read = async (name: string): Promise<number> => {
      const line = (await registry.text()).split('\n').find((text) => text.startsWith(name))
      return Number(line?.split(' ').at(-1))
    }
    await until(
      async () => (await read('mdm_notices')) === 1 && lines.some((line) => /poll-failed/.test(line)),
    )
    await until(async () => (await read('mdm_notice_overdue_seconds')) > 0.1)
    ms += 90_000
    t.equal(await read('mdm_source_look_age_seconds{by="poll"}'), 90)
    away.away = false
    await until(async () => away.asked.series.length > 1)
    triggers.hint()
    await until(async () => (await read('mdm_source_look_age_seconds{by="poll"}')) === 0)
    t.notMatch(await registry.text(), /good|away|"other"|1\.2/)
  },
)
