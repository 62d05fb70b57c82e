import { join } from 'node:path'
import t from 'tap'
import { startPostgres } from '../fixtures/postgres.ts'

t.setTimeout(300_000)
const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
else {
  const env = { ...process.env, MDM_TEST_POSTGRES: postgres.create(), TAP_TIMEOUT: '300' }
  const path = join(import.meta.dirname, '../server/register/kill.test.ts')
  await t.spawn(process.execPath, ['--conditions=@mdm/source', path], { env }, 'register/kill on PostgreSQL')
}
