import { join } from 'node:path'
import t from 'tap'
import { startPostgres } from '../fixtures/postgres.ts'

/** Tests of everything above the store, as they are: `startSiteGrid` and `makeGrid` give every server a database here. */
const FILES = [
  'catalog/answers',
  'catalog/statements',
  'keyshares/put',
  'keyshares/release',
  'keyshares/statements',
  'metadata/query',
  'register/crash',
  'register/pseudonyms/renew-rows',
  'register/register',
  'register/triggers/folder',
  'register/waiting',
  'srm/limits',
  'srm/requests',
  'srm/tape',
  'srm/turl',
  '../flows/changes',
  '../flows/quarantine',
]

t.setTimeout(600_000)
const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
else {
  const env = { ...process.env, MDM_TEST_POSTGRES: postgres.create(), TAP_TIMEOUT: '120' }
  for (const file of FILES) {
    const path = join(import.meta.dirname, '../server', `${file}.test.ts`)
    await t.spawn(process.execPath, ['--conditions=@mdm/source', path], { env }, `${file} on PostgreSQL`)
  }
}
