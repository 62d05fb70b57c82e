import t from 'tap'
import { startPostgres } from '../../fixtures/postgres.ts'
import { outage, stopped } from './outage.ts'

t.setTimeout(300_000)
const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
else {
  process.env.MDM_TEST_POSTGRES = postgres.create()
  // test/peers/outage.test.ts takes it away for longer, and in other ways.
  t.test(
    'PostgreSQL stops for 2 s under 50 clients: waits or coded errors, nothing lost or doubled',
    async (t) => {
      t.comment(await outage(t, 2_000, stopped(postgres)))
    },
  )
}
