import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { list, query } from '../../../packages/core/src/access/metadata.ts'
import type { Guid } from '../../../packages/core/src/names.ts'
import type { Step } from '../../../packages/server/src/register/register-series.ts'
import { addSeries, registerAll, startSiteGrid, until } from '../site-grid.ts'
import { checkAudit, checkInvariants, siteRows } from './invariants.ts'

const STEPS: Step[] = ['J1', 'J2', 'J3', 'J4.1', 'J4.2', 'J4.3', 'J5', 'J6']
/** Steps after which the volume is committed. */
const COMMITTED = new Set<Step>(['J5', 'J6'])

t.test('a registration that stops after any step is ended by the next start', async (t) => {
  const grid = await startSiteGrid(t, { series: [], started: false })
  const admin = await grid.as('admin')
  const guids: Guid[] = []
  for (const [i, step] of STEPS.entries()) {
    await t.test(`after ${step}`, async (t) => {
      await addSeries(grid.source, `crash-${i}`)
      // It fails there as often as it is tried, so the site cannot heal itself before it is stopped.
      await grid.startSite({
        after: (reached) => {
          if (reached === step) throw new Error(`stopped after ${step}`)
        },
      })
      const events = await registerAll(admin)
      t.match(events.at(-1), { type: 'error', code: 'MDM_INTERNAL' })
      t.notMatch(JSON.stringify(events), /stopped after/, 'the fault itself is not told')
      const visible = await guidsOf(admin)
      t.equal(visible.length, COMMITTED.has(step) ? i + 1 : i, 'I2: visible only once it is committed')
      if (!COMMITTED.has(step) && i === 0) await t.rejects(query(admin, 'modality=CT'), { code: 'MDM_QUERY' })
      await grid.stopSite()
      const before = new Set(siteRows(grid, 'select kid from attempts').map((row) => row.kid))

      await grid.startSite()
      await until(async () => (await guidsOf(admin)).length === i + 1)
      await until(async () => siteRows(grid, 'select kid from attempts').length === 0)
      await until(async () => siteRows(grid, 'select event_id from outbox').length === 0)
      await checkInvariants(t, grid, admin, i + 1)
      const kids = siteRows(grid, 'select kid from versions').map((row) => row.kid)
      t.notOk(
        kids.some((kid) => before.has(kid)),
        'what was begun before the stop is never used: new kid',
      )
      const now = await guidsOf(admin)
      guids.splice(0, guids.length, ...now)
      await grid.stopSite()
      // The next step fails on its own series, not on this known one.
      await rm(join(grid.source, `crash-${i}`), { recursive: true })
    })
  }
  await checkAudit(t, grid, guids)
})

async function guidsOf(admin: Parameters<typeof list>[0]): Promise<Guid[]> {
  const guids: Guid[] = []
  for await (const { guid } of list(admin)) guids.push(guid)
  return guids
}

t.test('a fault of one series keeps no other series out', async (t) => {
  let faults = 1
  const after = (step: Step) => {
    if (step === 'J2' && faults-- > 0) throw new Error('the first series is odd')
  }
  const grid = await startSiteGrid(t, { series: [{}, {}, {}], site: { after, retryMs: 60_000 } })
  const admin = await grid.as('admin')
  const events = await registerAll(admin)
  t.match(events.at(-1), { type: 'error', code: 'MDM_INTERNAL' })
  t.equal(events.filter((event) => event.type === 'registered').length, 2)
  t.equal((await guidsOf(admin)).length, 2)
  t.match((await registerAll(admin)).at(-1), { type: 'done', report: { registered: [{ version: 1 }] } })
})
