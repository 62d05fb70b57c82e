import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Session } from '../../packages/core/src/access/session.ts'
import { checkSite } from '../../packages/server/src/check/site.ts'
import type { Step } from '../../packages/server/src/register/register-series.ts'
import { openLog } from '../../packages/server/src/http/log.ts'
import { startKeyServer } from '../../packages/server/src/keys.ts'
import { provisionKeyServer } from '../../packages/server/src/provision/key-server.ts'
import { nextRoster } from '../../packages/server/src/provision/next-roster.ts'
import { freePorts } from '../../packages/server/src/provision/ports.ts'
import { openRosters } from '../../packages/server/src/store/rosters.ts'
import { addSeries, registerAll, startSiteGrid, until, type SiteGrid } from '../server/site-grid.ts'
import { auditOf, changeStore, checkInvariants, rowsOf } from '../server/register/invariants.ts'
import { guidsOf, hasKey, keyRow, pseudonyms } from '../server/register/pseudonyms/looks.ts'

const patient = { name: 'DOE^JANE', id: 'PSEUDO-1' }

const epochsAt = (grid: SiteGrid, i: number) =>
  rowsOf(
    grid.provisioned.keyServers[i]!.config,
    `select epoch from share where kid = '${keyRow(grid).kid}' order by epoch`,
  ).map(({ epoch }) => Number(epoch))
const eventsOf = async (grid: SiteGrid) =>
  (await auditOf(grid.provisioned.site.dir))
    .map(({ event }) => event)
    .filter((e) => e.startsWith('pseudonym'))
const volumes = async (session: Session) => (await guidsOf(session)).length

const STEPS: Step[] = ['P1', 'P2.1', 'P2.2', 'P2.3', 'P3']

t.test('a site that stops while it makes the key has one key in use afterwards', async (t) => {
  for (const step of STEPS) {
    await t.test(`after ${step}`, async (t) => {
      const grid = await startSiteGrid(t, { series: [{ patient }], started: false })
      const admin = await grid.as('admin')
      await grid.startSite({
        after: (reached) => {
          if (reached === step) throw new Error(`stopped after ${step}`)
        },
      })
      t.match((await registerAll(admin)).at(-1), { type: 'error', code: 'MDM_INTERNAL' })
      t.strictSame(pseudonyms(grid), [], 'nothing is registered with a key that is not in use')
      await grid.stopSite()
      await grid.startSite()
      await until(async () => (await volumes(admin)) === 1)
      const [pseudonym] = pseudonyms(grid)
      const { kid } = keyRow(grid)
      await checkInvariants(t, grid, admin, 1)
      await grid.stopSite()
      await grid.startSite()
      await addSeries(grid.source, 'more', { patient })
      await registerAll(admin)
      t.strictSame(pseudonyms(grid), [pseudonym])
      t.equal(keyRow(grid).kid, kid)
    })
  }
})

t.test('a site that lost the row of its key finds the same one at its key servers', async (t) => {
  const grid = await startSiteGrid(t, { series: [{ patient }] })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const [before] = pseudonyms(grid)
  const { kid } = keyRow(grid)
  const checked = async () =>
    (await checkSite(grid.provisioned.site.config)).find(({ name }) => name === 'pseudonym-key')
  await grid.stopSite()
  changeStore(grid.provisioned.site.config, 'delete from pseudonym_key')
  await grid.startSite()
  await addSeries(grid.source, 'more', { patient })
  await registerAll(admin)
  t.strictSame(pseudonyms(grid), [before])
  t.equal(keyRow(grid).kid, kid)
  t.strictSame(await eventsOf(grid), ['pseudonym-key-made', 'pseudonym-key-found'])

  await t.test('and splits it again when a key server has lost its share', async (t) => {
    await grid.stopSite()
    await grid.stopKeyServer(1)
    changeStore(grid.provisioned.keyServers[1]!.config, `delete from share where kid = '${kid}'`)
    await grid.startKeyServer(1)
    t.match(await checked(), { level: 'warn', message: /^2 of 3 key servers/ })
    await grid.startSite()
    await until(async () => Number(keyRow(grid).epoch) === 2)
    t.match(await checked(), { level: 'ok', message: /^3 of 3 key servers/ })
    t.strictSame(
      [0, 1, 2].map((i) => epochsAt(grid, i)),
      [[1, 2], [2], [1, 2]],
    )
    await until(async () => (await eventsOf(grid)).at(-1) === 'pseudonym-key-split')
    await grid.stopSite()
    await grid.stopKeyServer(0)
    t.match(await checked(), { level: 'warn', message: /^2 of 3/ })
    await grid.stopKeyServer(1)
    t.match(await checked(), { level: 'fault', message: /^1 of 3 .* nothing is registered$/ })
    await grid.startKeyServer(1)
    await grid.startSite()
    await until(async () => hasKey(grid, 4))
    await grid.startKeyServer(0)
    await addSeries(grid.source, 'third', { patient })
    await registerAll(admin)
    await until(async () => (await volumes(admin)) === 3)
    t.strictSame(pseudonyms(grid), [before])
  })
})

t.test('a key server that joins the roster of a site that runs gets a share of the key', async (t) => {
  const grid = await startSiteGrid(t, { series: [{ patient }] })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const [before] = pseudonyms(grid)
  const [port] = (await freePorts('127.0.0.1', 1)) as [number]
  const fourth = await provisionKeyServer(join(grid.dir, 'keys-4'), { host: '127.0.0.1', port })
  const none = { cas: [], nameSpaces: [], administrators: [] }
  const { site, keyServers } = grid.provisioned
  const { roster, fingerprint } = await nextRoster(site.config, { ...none, keyServers: [fourth.serverFile] })
  const jws = await readFile(roster, 'utf8')
  for (const { dir } of [...keyServers, fourth])
    await (await openRosters(join(dir, 'rosters'))).trust(jws.trim(), fingerprint)
  const server = await startKeyServer(fourth.config, { log: openLog({ level: 'silent' }) })
  t.teardown(() => server.stop())

  await until(async () => {
    await volumes(admin)
    return keyRow(grid).epoch === 2
  })
  const rows = rowsOf(fourth.config, `select epoch from share where kid = '${keyRow(grid).kid}'`)
  t.same(rows, [{ epoch: 2 }])
  await addSeries(grid.source, 'more', { patient })
  await registerAll(admin)
  await until(async () => (await volumes(admin)) === 2)
  t.strictSame(pseudonyms(grid), [before])
})
