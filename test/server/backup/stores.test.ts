import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createBackupKey } from '../../../packages/server/src/backup/age.ts'
import { backUp } from '../../../packages/server/src/backup/back-up.ts'
import { restore } from '../../../packages/server/src/backup/restore.ts'
import { startPostgres } from '../../fixtures/postgres.ts'
import { auditOf, makeGrid, makeVolume, peerOf, put, startServer } from '../keyshares/grid.ts'
import { getShares } from '../../../packages/core/src/wire/key-server.ts'

const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
else {
  t.test('a backup moves a server from SQLite to PostgreSQL and back, with every share', async (t) => {
    const dir = t.testdir()
    const grid = await makeGrid(join(dir, 'grid'))
    const first = await startServer(t, grid)
    const volumes = [await makeVolume(grid), await makeVolume(grid)]
    for (const volume of volumes) await put(peerOf(t, grid, grid.service), volume)
    await first.stop()
    const key = await createBackupKey()
    const identity = join(dir, 'key')
    writeFileSync(identity, key.identity)
    const recipients = [key.recipient]

    const { config } = grid.made.keyServers[0]!
    const from = join(dir, 'a.age')
    const made = await backUp('keys', config, { recipients, file: from })
    t.equal(made.audit.records, auditOf(grid).length)
    const store = postgres.create()
    const there = await restore('keys', { from, identity, dir: join(dir, 'there'), store })
    t.match(JSON.parse(readFileSync(there.config, 'utf8')), { store })
    const taken = { from, identity, dir: join(dir, 'twice'), store }
    await t.rejects(restore('keys', taken), { code: 'MDM_CONFLICT' }, 'a database that holds something')

    const again = join(dir, 'b.age')
    await backUp('keys', there.config, { recipients, file: again })
    const back = await restore('keys', { from: again, identity, dir: join(dir, 'back') })
    t.match(JSON.parse(readFileSync(back.config, 'utf8')), { store: 'keys.sqlite' })
    for (const restored of [there, back]) {
      const servers = [{ ...grid.made.keyServers[0]!, dir: restored.dir, config: restored.config }]
      const moved = { ...grid, made: { ...grid.made, keyServers: servers } }
      const server = await startServer(t, moved)
      for (const { guid, kid } of volumes) {
        const { releases } = await peerOf(t, grid, grid.service).call(getShares, { params: { guid } })
        t.match(releases, [{ kid }])
      }
      await server.stop()
    }
  })
}
