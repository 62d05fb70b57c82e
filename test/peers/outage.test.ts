import t from 'tap'
import { startPostgres } from '../fixtures/postgres.ts'
import { frozen, outage, stopped } from '../server/store/outage.ts'

t.setTimeout(300_000)
const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
else {
  process.env.MDM_TEST_POSTGRES = postgres.create()
  for (const [how, away] of Object.entries({ stops: stopped, hangs: frozen })) {
    t.test(
      `PostgreSQL ${how} for 10 s under 50 clients: waits or coded errors, nothing lost or doubled`,
      async (t) => {
        t.comment(await outage(t, 10_000, away(postgres)))
      },
    )
  }
}
