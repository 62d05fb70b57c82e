import { join } from 'node:path'
import t from 'tap'
import { checkKeys } from '../../../packages/server/src/check/keys.ts'
import { openLog } from '../../../packages/server/src/http/log.ts'
import { startKeyServer } from '../../../packages/server/src/keys.ts'
import { provisionKeyServer } from '../../../packages/server/src/provision/key-server.ts'
import { freePorts } from '../../../packages/server/src/provision/ports.ts'
import { PASSWORD, psql, startPostgres } from '../../fixtures/postgres.ts'
import { named } from './installation.ts'

const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
else
  t.test(
    'a store on PostgreSQL is looked at like a file: level, writes, silence; its URL is never shown',
    async (t) => {
      const store = postgres.create()
      const [port] = (await freePorts('127.0.0.1', 1)) as [number]
      const dir = join(t.testdir(), 'keys')
      const { config } = await provisionKeyServer(dir, { host: '127.0.0.1', port, store, comments: true })
      const at = async (name: string) => {
        const findings = await checkKeys(config)
        t.notMatch(JSON.stringify(findings), PASSWORD)
        return named(findings, name)
      }
      t.strictSame(await at('schema'), [], 'an empty database: the first start makes it')
      const server = await startKeyServer(config, { log: openLog({ level: 'silent' }) })
      t.strictSame([...(await at('store')), ...(await at('schema'))], [], 'while the server has it')
      await server.stop()
      psql(store, `insert into kysely_migration values ('999-later', 'x')`)
      t.match(await at('schema'), [{ level: 'fault', message: /newer MDM/ }])
      await postgres.stop()
      t.match(await at('store'), [
        { level: 'fault', subject: 'postgres', next: /systemctl status postgresql/ },
      ])
      await postgres.start()
    },
  )
