import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { collect } from '../../../packages/server/src/fsck/findings.ts'
import { checkStorageRequests } from '../../../packages/server/src/fsck/storage-requests.ts'
import { openSiteStore } from '../../../packages/server/src/store/site-store.ts'

t.test('requests without files, files without a request and pins of nothing are found', async (t) => {
  const file = join(t.testdir(), 'site.sqlite')
  const db = await openSiteStore(file)
  t.teardown(() => db.destroy())
  const found = async () => {
    const to = collect()
    await checkStorageRequests(db, to)
    const { findings, looked } = to.report()
    return { looked, findings: findings.map(({ name, subject }) => `${name}: ${subject}`) }
  }
  t.strictSame(await found(), { looked: { 'storage requests': 0 }, findings: [] })
  // another hand, which does not keep to the constraints
  const hand = new DatabaseSync(file, { enableForeignKeyConstraints: false })
  t.teardown(() => hand.close())
  const request = (id: string) =>
    hand.exec(`insert into srm_requests values ('${id}', 'get', '{}', 1, 'now', null, null, 'later')`)
  const of = (id: string, position: number, state: string) =>
    hand.exec(
      `insert into srm_files values ('${id}', ${position}, '/mdm/x', 'g', 1, '${state}', null, null, '${id}${position}')`,
    )
  request('a')
  of('a', 0, 'RELEASED')
  t.strictSame((await found()).findings, [], 'what has ended needs no version')
  of('a', 1, 'READY')
  of('b', 0, 'FAILED')
  request('c')
  t.strictSame(await found(), {
    looked: { 'storage requests': 2 },
    findings: [
      'orphan-rows: 1 of srm_files without a request',
      'orphan-rows: 1 of srm_requests without a file',
      'orphan-rows: 1 of srm_files of no version',
    ],
  })
})
