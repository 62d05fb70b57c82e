import { join } from 'node:path'
import { Kysely, sql } from 'kysely'
import t from 'tap'
import { migrate } from '../../../packages/server/src/store/migrate.ts'
import { SITE_MIGRATIONS } from '../../../packages/server/src/store/site-migrations.ts'
import { nextValue, openSiteStore } from '../../../packages/server/src/store/site-store.ts'
import { sqliteDialect } from '../../../packages/server/src/store/sqlite.ts'

const until = (last: string) =>
  Object.fromEntries(Object.entries(SITE_MIGRATIONS).filter(([name]) => name <= last))

t.test('what was registered before there was a list of changes stands in it, in order', async (t) => {
  const file = join(t.testdir(), 'site.sqlite')
  const before = until('003-notices')
  const old = new Kysely<never>({ dialect: sqliteDialect(file) })
  await migrate(old, before)
  for (const [guid, latest] of [
    ['a', 2],
    ['b', 1],
  ] as const) {
    await sql`insert into volumes (guid, lfn, source, study, series, ordinal, volume_key, latest)
      values (${guid}, ${guid}, 'folder', 's', ${guid}, 1, ${guid}, ${latest})`.execute(old)
  }
  for (const [guid, version, registered] of [
    ['a', 2, '2026-03-01T00:00:00.000Z'],
    ['a', 1, '2026-01-01T00:00:00.000Z'],
    ['b', 1, '2026-02-01T00:00:00.000Z'],
  ] as const) {
    await sql`insert into versions (guid, version, kid, profile, volume, header, slice_bytes, plaintext_bytes, container_bytes,
      content_digest, registered)
      values (${guid}, ${version}, ${`${guid}${version}`}, 'p', '{}', '', 1, 1, 1, 'd', ${registered})`.execute(
      old,
    )
  }
  await old.destroy()

  const db = await openSiteStore(file)
  t.teardown(() => db.destroy())
  const rows = await db.selectFrom('changes').selectAll().orderBy('seq').execute()
  t.strictSame(rows, [
    { seq: 1, time: '2026-01-01T00:00:00.000Z', guid: 'a', version: 1, change: 'registered' },
    { seq: 2, time: '2026-02-01T00:00:00.000Z', guid: 'b', version: 1, change: 'registered' },
    { seq: 3, time: '2026-03-01T00:00:00.000Z', guid: 'a', version: 2, change: 'new-version' },
  ])
  t.equal(await nextValue(db, 'changes'), 4)
  t.strictSame(await db.selectFrom('volumes').select('gone_since').distinct().execute(), [
    { gone_since: null },
  ])
})

t.test('a new store has no row, so that a backup can be put back into it', async (t) => {
  const db = await openSiteStore(join(t.testdir(), 'site.sqlite'))
  t.teardown(() => db.destroy())
  t.strictSame(await db.selectFrom('counters').selectAll().execute(), [])
  t.equal(await nextValue(db, 'changes'), 1)
})

t.test('a volume that was registered by its number is the only one of its series', async (t) => {
  const file = join(t.testdir(), 'site.sqlite')
  const old = new Kysely<never>({ dialect: sqliteDialect(file) })
  await migrate(old, until('004-changes'))
  await sql`insert into volumes (guid, lfn, source, study, series, ordinal, volume_key, latest)
    values ('a', 'a', 'folder', 's', 's', 1, 'key', 1)`.execute(old)
  await sql`insert into journal (volume_key, source, study, series, ordinal, state, caller, created, updated)
    values ('key', 'folder', 's', 's', 1, 'ACTIVE', '{}', '2026', '2026')`.execute(old)
  await old.destroy()

  const db = await openSiteStore(file)
  t.teardown(() => db.destroy())
  t.strictSame(await db.selectFrom('volumes').select(['label', 'volume_key']).execute(), [
    { label: '', volume_key: 'key' },
  ])
  t.strictSame(await db.selectFrom('journal').select(['series_key', 'volume_key']).execute(), [
    { series_key: 'key', volume_key: 'key' },
  ])
})
