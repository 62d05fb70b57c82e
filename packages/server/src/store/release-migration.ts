import type { Migration } from 'kysely/migration'

/** Step 005 of the site's schema: what a person released in spite of what its pixels may show, and whether a face may be seen. */
export const RELEASE: Migration = {
  async up(db) {
    await db.schema.alterTable('slices').addColumn('released', 'text').execute()
    for (const column of ['released', 'released_by', 'release_reason'])
      await db.schema.alterTable('quarantine').addColumn(column, 'text').execute()
    await db.schema
      .alterTable('quarantine')
      .addColumn('holds', 'integer', (c) => c.notNull().defaultTo(0))
      .execute()
    await db.schema.alterTable('medical').addColumn('face', 'text').execute()
  },
}
