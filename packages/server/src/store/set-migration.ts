import type { Migration } from 'kysely/migration'

/** Volumes that belong together along one more axis. */
export const sets: Migration = {
  async up(db) {
    await db.schema
      .createTable('sets')
      .addColumn('guid', 'text', (c) => c.primaryKey())
      .addColumn('set_key', 'text', (c) => c.notNull().unique())
      .addColumn('source', 'text', (c) => c.notNull())
      .addColumn('study', 'text', (c) => c.notNull())
      .addColumn('series', 'text', (c) => c.notNull())
      .addColumn('label', 'text', (c) => c.notNull())
      .addColumn('latest', 'integer', (c) => c.notNull())
      .addColumn('gone_since', 'text')
      .execute()
    await db.schema
      .createTable('set_versions')
      .addColumn('guid', 'text', (c) => c.notNull().references('sets.guid'))
      .addColumn('version', 'integer', (c) => c.notNull())
      .addColumn('axis', 'text', (c) => c.notNull())
      .addColumn('unit', 'text')
      .addColumn('real_values', 'integer', (c) => c.notNull())
      .addColumn('digest', 'text', (c) => c.notNull())
      .addColumn('registered', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('set_versions_pk', ['guid', 'version'])
      .execute()
    await db.schema
      .createTable('set_members')
      .addColumn('guid', 'text', (c) => c.notNull())
      .addColumn('version', 'integer', (c) => c.notNull())
      .addColumn('position', 'integer', (c) => c.notNull())
      .addColumn('member', 'text', (c) => c.notNull())
      .addColumn('member_version', 'integer', (c) => c.notNull())
      .addColumn('value', 'double precision', (c) => c.notNull())
      .addPrimaryKeyConstraint('set_members_pk', ['guid', 'version', 'position'])
      .addForeignKeyConstraint('set_members_set', ['guid', 'version'], 'set_versions', ['guid', 'version'])
      .addForeignKeyConstraint('set_members_volume', ['member', 'member_version'], 'versions', [
        'guid',
        'version',
      ])
      .execute()
    await db.schema.createIndex('sets_by_series').on('sets').column('series').execute()
    await db.schema.createIndex('set_members_by_member').on('set_members').column('member').execute()
  },
}
