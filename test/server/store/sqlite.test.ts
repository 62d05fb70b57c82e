import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Kysely } from 'kysely'
import t, { type Test } from 'tap'
import { migrate } from '../../../packages/server/src/store/migrate.ts'
import { sqliteDialect } from '../../../packages/server/src/store/sqlite.ts'

interface Schema {
  share: { guid: string; epoch: number; sealed: Buffer; at: string | null }
}

async function store(t: Test) {
  const file = join(t.testdir(), 'store.sqlite')
  const db = new Kysely<Schema>({ dialect: sqliteDialect(file) })
  t.teardown(() => db.destroy())
  await migrate(db, {
    '001-first': {
      up: (db) =>
        db.schema
          .createTable('share')
          .addColumn('guid', 'text', (c) => c.primaryKey())
          .addColumn('epoch', 'integer', (c) => c.notNull())
          .addColumn('sealed', 'blob', (c) => c.notNull())
          .addColumn('at', 'text')
          .execute(),
    },
  })
  return { db, file }
}

t.test('rows come back as plain objects with Buffers, as from other databases', async (t) => {
  const { db } = await store(t)
  const row = { guid: 'g', epoch: 2, sealed: Buffer.from([0, 255]), at: null }
  t.equal((await db.insertInto('share').values(row).executeTakeFirst()).numInsertedOrUpdatedRows, 1n)
  const back = await db.selectFrom('share').selectAll().executeTakeFirstOrThrow()
  t.strictSame(back, row)
  t.ok(Buffer.isBuffer(back.sealed))
  for await (const streamed of db.selectFrom('share').selectAll().stream()) t.strictSame(streamed, row)
})

t.test('a transaction that throws leaves nothing, and queries beside it wait', async (t) => {
  const { db } = await store(t)
  const row = { guid: 'g', epoch: 1, sealed: Buffer.alloc(1), at: null }
  const failing = db.transaction().execute(async (trx) => {
    await trx.insertInto('share').values(row).execute()
    await new Promise((resolve) => setTimeout(resolve, 20))
    throw new Error('after the insert')
  })
  const beside = db.selectFrom('share').selectAll().execute()
  await t.rejects(failing)
  t.strictSame(await beside, [])
})

t.test('only the owner may read the file, its log and its index', async (t) => {
  const { db, file } = await store(t)
  await db
    .insertInto('share')
    .values({ guid: 'g', epoch: 1, sealed: Buffer.alloc(1), at: null })
    .execute()
  for (const suffix of ['', '-wal', '-shm']) t.equal(statSync(file + suffix).mode & 0o777, 0o600, suffix)
})

t.test('a commit is synced to the disk, and foreign keys count', async (t) => {
  const { db } = await store(t)
  const pragma = async (name: 'synchronous' | 'foreign_keys' | 'journal_mode') => {
    const { sql } = await import('kysely')
    return Object.values((await sql`pragma ${sql.raw(name)}`.execute(db)).rows[0] as object)[0] as unknown
  }
  t.equal(await pragma('synchronous'), 2)
  t.equal(await pragma('foreign_keys'), 1)
  t.equal(await pragma('journal_mode'), 'wal')
})

t.test('a migration runs once, and a store of a newer version is refused', async (t) => {
  const { db } = await store(t)
  await t.rejects(migrate(db, {}), { code: 'MDM_CONFIG' })
})

t.test('a store that cannot be opened is a fault of the configuration', async (t) => {
  const db = new Kysely<Schema>({ dialect: sqliteDialect(join(t.testdir(), 'absent', 'store.sqlite')) })
  await t.rejects(db.selectFrom('share').selectAll().execute(), { code: 'MDM_CONFIG' })
})

t.test('a full disk is a fault that passes: nothing half is kept, and there is no restart', async (t) => {
  const { db } = await store(t)
  const pages = async (sqlText: string) => {
    const { sql } = await import('kysely')
    return Number(Object.values((await sql`pragma ${sql.raw(sqlText)}`.execute(db)).rows[0] as object)[0])
  }
  const row = (guid: string, bytes: number) => ({ guid, epoch: 1, sealed: Buffer.alloc(bytes), at: null })
  // SQLite's own limit: it fails in the same way, and as it does then ends the transaction by itself.
  await pages(`max_page_count = ${(await pages('page_count')) + 2}`)
  const filling = db.transaction().execute(async (trx) => {
    await trx.insertInto('share').values(row('small', 10)).execute()
    await trx.insertInto('share').values(row('large', 100_000)).execute()
  })
  await t.rejects(filling, { code: 'MDM_STORE', message: /cannot be/ })
  t.strictSame(await db.selectFrom('share').selectAll().execute(), [])
  await pages('max_page_count = 1000000')
  await db.insertInto('share').values(row('large', 100_000)).execute()
  t.equal((await db.selectFrom('share').select('guid').execute()).length, 1)
})

t.test('a rollback of a transaction that the disk has ended already hides no error', async (t) => {
  const { db } = await store(t)
  const { sql } = await import('kysely')
  const ended = db.transaction().execute(async (trx) => {
    await sql`rollback`.execute(trx)
    throw new Error('what really happened')
  })
  await t.rejects(ended, { message: 'what really happened' })
})
