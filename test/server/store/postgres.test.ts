import { sql, type Kysely } from 'kysely'
import t from 'tap'
import { MdmError } from '../../../packages/core/src/errors.ts'
import { newGuid, newKid } from '../../../packages/core/src/names.ts'
import { openKeysStore } from '../../../packages/server/src/store/keys-store.ts'
import { openStore } from '../../../packages/server/src/store/open-store.ts'
import { nextValue, openSiteStore } from '../../../packages/server/src/store/site-store.ts'
import { inTransaction } from '../../../packages/server/src/store/transaction.ts'
import { PASSWORD, psql, psqlRows, startPostgres } from '../../fixtures/postgres.ts'

const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
else {
  t.test('the same rows come back as from SQLite: Buffers, numbers, plain objects', async (t) => {
    for (const store of [postgres.create(), ':memory:']) {
      const keys = await openKeysStore(store)
      t.teardown(() => keys.destroy())
      const guid = newGuid()
      await keys.insertInto('guid_owner').values({ guid, site: 'demo' }).execute()
      const row = {
        ...{ guid, kid: newKid(), epoch: 1, version: 1, manifest: 'é', sealed: Buffer.from([0, 255]) },
        ...{ released: null, stored: '2026-01-01T00:00:00.000Z', note: null },
      }
      await keys.insertInto('share').values(row).execute()
      const back = await keys.selectFrom('share').selectAll().executeTakeFirstOrThrow()
      t.strictSame(back, row)
      t.ok(Buffer.isBuffer(back.sealed))
      t.equal((await keys.deleteFrom('share').executeTakeFirst()).numDeletedRows, 1n)
      const unknown = { ...row, guid: newGuid() }
      await t.rejects(keys.insertInto('share').values(unknown).execute(), 'foreign keys count')
    }
  })

  t.test('byte counts beyond 2^31 and names in the order of their bytes', async (t) => {
    for (const store of [postgres.create(), ':memory:']) {
      const db = await openSiteStore(store)
      t.teardown(() => db.destroy())
      await db
        .insertInto('counters')
        .values({ name: 'B', value: 2 ** 40 })
        .execute()
      t.equal(await nextValue(db, 'B'), 2 ** 40 + 1)
      for (const name of ['a', 'é', '_', 'C', '%']) t.equal(await nextValue(db, name), 1)
      const rows = await db.selectFrom('counters').select(['name', 'value']).orderBy('name').execute()
      t.strictSame(
        rows.map((row) => row.name),
        ['%', 'B', 'C', '_', 'a', 'é'],
      )
      t.equal(rows[1]!.value, 2 ** 40 + 1)
    }
  })

  t.test('migrations run once, and a store of a newer version is refused', async (t) => {
    const url = postgres.create()
    for (let i = 0; i < 2; i++) await (await openSiteStore(url)).destroy()
    await t.rejects(openStore(url, {}, {}), { code: 'MDM_CONFIG' })
  })

  t.test('counters are never given twice, and transactions that meet are done again', async (t) => {
    const url = postgres.create()
    // Two processes could not be on one store; two pools without the lock stand for whatever else writes there.
    const [one, two] = [await openSiteStore(url), await openSiteStore(url)]
    t.teardown(() => Promise.all([one.destroy(), two.destroy()]))
    let runs = 0
    const values = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        inTransaction(i % 2 === 0 ? one : two, async (trx) => {
          runs++
          const row = await trx
            .selectFrom('counters')
            .select('value')
            .where('name', '=', 'n')
            .executeTakeFirst()
          await trx.deleteFrom('counters').where('name', '=', 'n').execute()
          const value = (row?.value ?? 0) + 1
          await trx.insertInto('counters').values({ name: 'n', value }).execute()
          return value
        }),
      ),
    )
    t.strictSame(
      values.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
    t.ok(runs > 20, `${runs} runs for 20 transactions`)
  })

  t.test('a deadlock is broken and both transactions end well', async (t) => {
    const url = postgres.create()
    const [one, two] = [await openSiteStore(url), await openSiteStore(url)]
    t.teardown(() => Promise.all([one.destroy(), two.destroy()]))
    for (const name of ['a', 'b']) await nextValue(one, name)
    const both = (db: typeof one, names: string[]) =>
      inTransaction(db, async (trx) => {
        for (const name of names) {
          await nextValue(trx, name)
          await sql`select pg_sleep(0.05)`.execute(trx)
        }
      })
    await Promise.all([both(one, ['a', 'b']), both(two, ['b', 'a'])])
    t.strictSame(psqlRows(url, 'select name, value from counters order by name'), [
      { name: 'a', value: 3 },
      { name: 'b', value: 3 },
    ])
  })

  t.test('a connection cut in mid-transaction leaves nothing, and the next one works', async (t) => {
    const url = postgres.create()
    const db = await openSiteStore(url)
    t.teardown(() => db.destroy())
    const cut = inTransaction(db, async (trx) => {
      await nextValue(trx, 'half')
      t.equal(postgres.cut(url, `state = 'idle in transaction'`), 1)
      await nextValue(trx, 'half')
    })
    const error = await cut.then(
      () => undefined,
      (thrown: unknown) => thrown as MdmError,
    )
    t.match(error, { code: 'MDM_STORE' })
    t.strictSame(psqlRows(url, 'select name from counters'), [])
    t.equal(await inTransaction(db, (trx) => nextValue(trx, 'half')), 1)
  })

  t.test(
    'while the database is away every query is refused; the process lives and goes on by itself',
    async (t) => {
      const url = postgres.create()
      let returned = 0
      const db = await openSiteStore(url, { alone: 1, returned: () => returned++ })
      t.teardown(() => db.destroy())
      await postgres.stop()
      await t.rejects(nextValue(db, 'n'), { code: 'MDM_STORE' })
      await t.rejects(
        inTransaction(db, (trx) => nextValue(trx, 'n')),
        { code: 'MDM_STORE' },
      )
      await t.rejects(openSiteStore(url), { code: 'MDM_STORE' })
      await postgres.start()
      for (const end = performance.now() + 60_000; returned === 0 && performance.now() < end;)
        await new Promise((resolve) => setTimeout(resolve, 20))
      t.equal(returned, 1)
      t.equal(await nextValue(db, 'n'), 1)
    },
  )

  t.test('one process has a store; another is refused until it ends', async (t) => {
    const url = postgres.create()
    for (const store of [url, `${t.testdir()}/site.sqlite`]) {
      const first = await openSiteStore(store, { alone: 1 })
      await t.rejects(openSiteStore(store, { alone: 1 }), { code: 'MDM_CONFLICT' })
      const reader = await openSiteStore(store)
      t.equal(await nextValue(reader, 'n'), 1, 'a tool beside it may look')
      await reader.destroy()
      await first.destroy()
      await (await openSiteStore(store, { alone: 1 })).destroy()
    }
  })

  t.test('who has lost the lock does nothing until it is back', async (t) => {
    const url = postgres.create()
    let returned = 0
    const db = await openSiteStore(url, { alone: 1, returned: () => returned++ })
    t.teardown(() => db.destroy())
    const half = inTransaction(db, async (trx) => {
      await nextValue(trx, 'n')
      t.equal(postgres.cut(url, `state = 'idle'`), 1, 'the session of the lock')
      // The loss is heard of a moment later, and then no query is let through.
      for (const end = performance.now() + 60_000; performance.now() < end;) await nextValue(trx, 'n')
    })
    await t.rejects(half, { code: 'MDM_STORE' })
    t.strictSame(psqlRows(url, 'select name from counters'), [])
    while (returned === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    t.equal(await nextValue(db, 'n'), 1)
  })

  t.test('no error shows the password, a value or a part of the URL', async (t) => {
    const url = postgres.create()
    const faults: unknown[] = []
    const keep = (error: unknown) => void faults.push(error)
    await openSiteStore(url.replace(/test\d+/, 'absent')).catch(keep)
    await openSiteStore(`postgres://user:${PASSWORD}@%zz:x/`).catch(keep)
    await openSiteStore(url.replace(/host=.*/, 'host=/nowhere')).catch(keep)
    const db = await openSiteStore(url)
    t.teardown(() => db.destroy())
    const row = { name: 'PATIENT^NAME', value: 1 }
    await db.insertInto('counters').values(row).execute()
    await db.insertInto('counters').values(row).execute().catch(keep)
    await sql`select ${'PATIENT^NAME'}::int`.execute(db).catch(keep)
    t.strictSame(
      faults.map((error) => (error as MdmError).code),
      ['MDM_CONFIG', 'MDM_CONFIG', 'MDM_STORE', 'MDM_STORE', 'MDM_INTERNAL'],
    )
    const { inspect } = await import('node:util')
    for (const fault of faults) {
      t.ok(fault instanceof MdmError)
      t.notMatch(inspect(fault, { depth: 10, showHidden: true }), /canary-of|PATIENT|mdm-pg-|nowhere/)
    }
  })

  t.test('the schema has the same tables and columns as on SQLite', async (t) => {
    const url = postgres.create()
    const opened: Kysely<never>[] = []
    const tablesOf = async (store: string) => {
      const db = (await openSiteStore(store)) as unknown as Kysely<never>
      opened.push(db)
      const tables = await db.introspection.getTables()
      return tables.map(({ name, columns }) => [name, ...columns.map((column) => column.name)]).toSorted()
    }
    t.strictSame(await tablesOf(url), await tablesOf(':memory:'))
    await Promise.all(opened.map((db) => db.destroy()))
    t.equal(
      psql(
        url,
        `select count(*) from information_schema.columns where data_type = 'text' and collation_name <> 'C' and table_schema = 'public'`,
      ),
      '0',
    )
  })
}
