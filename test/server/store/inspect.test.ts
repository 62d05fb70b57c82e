import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Kysely } from 'kysely'
import t from 'tap'
import { inspectStore } from '../../../packages/server/src/store/inspect.ts'
import { openStore } from '../../../packages/server/src/store/open-store.ts'
import { PASSWORD, startPostgres } from '../../fixtures/postgres.ts'

const table = (name: string) => ({
  up: (db: Kysely<never>) => db.schema.createTable(name).addColumn('a', 'text').execute(),
})
const first = { '001-first': table('one') }
const second = { ...first, '002-second': table('two') }

const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
const places = {
  SQLite: () => join(t.testdir(), 'store.sqlite'),
  ...(postgres === undefined ? {} : { PostgreSQL: () => postgres.create() }),
}

for (const [place, create] of Object.entries(places)) {
  t.test(
    `${place}: a start brings an older store up to date and says so; a newer one is refused by name`,
    async (t) => {
      const store = create()
      const upgrades: string[] = []
      const open = async (migrations: typeof first) => {
        const db = await openStore(store, migrations, { upgraded: (names) => upgrades.push(...names) })
        await db.destroy()
      }
      await open(first)
      t.strictSame(upgrades, [], 'a new store is no upgrade')
      t.strictSame(await inspectStore(store), { applied: ['001-first'], isWritable: true })
      await open(second)
      t.strictSame(upgrades, ['002-second'])
      t.strictSame((await inspectStore(store)).applied, ['001-first', '002-second'])
      await t.rejects(open(first), { code: 'MDM_CONFIG', message: /newer MDM.*"002-second"/ })
      t.strictSame((await inspectStore(store)).applied, ['001-first', '002-second'], 'and left as it was')
    },
  )

  t.test(`${place}: a store is looked at while a server has it`, async (t) => {
    const store = create()
    const db = await openStore(store, first, { alone: 1 })
    t.teardown(() => db.destroy())
    t.strictSame(await inspectStore(store), { applied: ['001-first'], isWritable: true })
  })
}

t.test('looking makes no file, at a store that is closed or that was never made', async (t) => {
  const dir = t.testdir()
  const store = join(dir, 'store.sqlite')
  t.strictSame(await inspectStore(store), { applied: undefined, isWritable: true })
  t.notOk(existsSync(store))
  await (await openStore(store, first, {})).destroy()
  const before = readdirSync(dir).map((file) => `${file} ${statSync(join(dir, file)).mtimeMs}`)
  await inspectStore(store)
  t.strictSame(
    readdirSync(dir).map((file) => `${file} ${statSync(join(dir, file)).mtimeMs}`),
    before,
  )
})

t.test('what is no store, or does not answer, is refused without its URL', async (t) => {
  const file = join(t.testdir(), 'store.sqlite')
  writeFileSync(file, 'this is no database'.repeat(100))
  await t.rejects(inspectStore(file), { code: 'MDM_CONFIG' })
  const error = await inspectStore(`postgres://mdm:${PASSWORD}@127.0.0.1:9/none`).catch((e: unknown) => e)
  t.match(error, { code: 'MDM_STORE' })
  t.notMatch(String(error), PASSWORD)
})
