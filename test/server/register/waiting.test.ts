import t from 'tap'
import { list, query } from '../../../packages/core/src/access/metadata.ts'
import type { Guid } from '../../../packages/core/src/names.ts'
import { registerAll, startSiteGrid, until } from '../site-grid.ts'
import { checkAudit, checkInvariants, siteRows } from './invariants.ts'

t.test('with a key server down a registration waits, says which, and goes on by itself', async (t) => {
  const grid = await startSiteGrid(t, { series: [{}, { modality: 'MR' }] })
  const admin = await grid.as('admin')
  await grid.stopKeyServer(1)

  const events = await registerAll(admin)
  const waiting = events.filter((event) => event.type === 'waiting')
  t.equal(waiting.length, 2)
  const id = grid.provisioned.keyServers[1]!.id.slice(0, 12)
  for (const event of waiting) t.match(event, { code: 'MDM_WAITING', message: new RegExp(id) })
  t.match(events.at(-1), { type: 'done', report: { registered: [], already: [], refused: [] } })
  t.strictSame(await guidsOf(admin), [], 'I2: nothing of it is visible')
  await t.rejects(query(admin, 'modality=MR'), { code: 'MDM_QUERY' }, 'no volume lets anyone read a column')
  t.strictSame(
    siteRows(grid, 'select state, code from journal').map((row) => row.state),
    ['WAITING', 'WAITING'],
  )

  await t.test('also over a restart of the site', async (t) => {
    await grid.stopSite()
    await grid.startSite()
    t.strictSame(await guidsOf(admin), [])
    await grid.startKeyServer(1)
    await until(async () => (await guidsOf(admin)).length === 2)
  })

  await checkInvariants(t, grid, admin, 2)
  t.equal((await query(admin, 'modality=MR')).rows.length, 1)
  const again = await registerAll(admin)
  t.equal(again.filter((event) => event.type === 'already').length, 2)
  const guids = await guidsOf(admin)
  await grid.stopSite()
  await checkAudit(t, grid, guids)
})

async function guidsOf(admin: Parameters<typeof list>[0]): Promise<Guid[]> {
  const guids: Guid[] = []
  for await (const { guid } of list(admin)) guids.push(guid)
  return guids
}
