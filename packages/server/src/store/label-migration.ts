import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Volumes of a series have labels instead of numbers: before there was one volume a series, which is the label ''. */
export const labels: Migration = {
  async up(db) {
    await db.schema
      .alterTable('volumes')
      .addColumn('label', 'text', (c) => c.notNull().defaultTo(''))
      .execute()
    await db.schema
      .alterTable('journal')
      .addColumn('series_key', 'text', (c) => c.notNull().defaultTo(''))
      .execute()
    await sql`update journal set series_key = volume_key`.execute(db)
    for (const table of ['volumes', 'journal'])
      await db.schema.alterTable(table).dropColumn('ordinal').execute()
    await db.schema.createIndex('volumes_by_uid').on('volumes').column('series').execute()
    await db.schema.createIndex('journal_by_series_key').on('journal').column('series_key').execute()
  },
}
