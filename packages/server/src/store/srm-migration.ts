import type { Kysely } from 'kysely'

/** What storage clients asked to be prepared, so that their tokens outlive a restart. */
export async function srmRequests(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('srm_requests')
    .addColumn('token_digest', 'text', (c) => c.primaryKey())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('caller', 'text', (c) => c.notNull())
    .addColumn('pin_seconds', 'integer', (c) => c.notNull())
    .addColumn('created', 'text', (c) => c.notNull())
    .addColumn('started', 'text')
    .addColumn('finished', 'text')
    .addColumn('ends', 'text', (c) => c.notNull())
    .execute()
  await db.schema
    .createTable('srm_files')
    .addColumn('token_digest', 'text', (c) => c.notNull().references('srm_requests.token_digest'))
    .addColumn('position', 'integer', (c) => c.notNull())
    .addColumn('surl', 'text', (c) => c.notNull())
    .addColumn('guid', 'text')
    .addColumn('version', 'integer')
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('code', 'text')
    .addColumn('pinned_until', 'text')
    .addColumn('turl_digest', 'text', (c) => c.notNull().unique())
    .addPrimaryKeyConstraint('srm_files_pk', ['token_digest', 'position'])
    .execute()
}
