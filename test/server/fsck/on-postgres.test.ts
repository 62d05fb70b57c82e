import t from 'tap'
import { list } from '../../../packages/core/src/access/metadata.ts'
import { checkKeys } from '../../../packages/server/src/fsck/keys.ts'
import { checkSite } from '../../../packages/server/src/fsck/site.ts'
import { startPostgres } from '../../fixtures/postgres.ts'
import { changeSite, changeStore } from '../register/invariants.ts'
import { registerAll, startSiteGrid } from '../site-grid.ts'

const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
else {
  process.env.MDM_TEST_POSTGRES = postgres.create()
  t.test('a store on PostgreSQL is looked at in the same way, beside its server', async (t) => {
    const grid = await startSiteGrid(t, { series: [{}] })
    const admin = await grid.as('admin')
    await registerAll(admin)
    let guid = ''
    for await (const row of list(admin)) guid = row.guid
    const { site, keyServers } = grid.provisioned
    // The key of the volume, and that of pseudonyms.
    t.match(await checkSite(site.config), {
      findings: [],
      looked: { volumes: 1, 'access lists': 7, keys: 2 },
    })
    t.match(await checkKeys(keyServers[0]!.config), {
      findings: [],
      looked: { shares: 2, 'access lists': 2 },
    })

    changeSite(grid, `delete from slices where guid = '${guid}' and slice_index = 0`)
    changeSite(
      grid,
      `update access_lists set state = replace(state, '"read"', '"write"') where object = 'file'`,
    )
    changeStore(keyServers[0]!.config, 'update share set epoch = 2')
    const names = async (report: Promise<{ findings: readonly { name: string }[] }>) =>
      (await report).findings.map(({ name }) => name)
    t.strictSame(await names(checkSite(site.config)), [
      'slices-missing',
      'list-altered',
      'share-wrong',
      'shares-incomplete',
      'share-wrong',
      'shares-incomplete',
    ])
    t.strictSame(await names(checkKeys(keyServers[0]!.config)), ['share-misplaced', 'share-misplaced'])
  })
}
