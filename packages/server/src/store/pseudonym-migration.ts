import type { Kysely } from 'kysely'

/** Which key makes pseudonyms, and the columns of what it makes; registration fills them once it has the key. */
export async function pseudonyms(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('pseudonym_key')
    .addColumn('generation', 'text', (c) => c.primaryKey())
    .addColumn('guid', 'text', (c) => c.notNull())
    .addColumn('kid', 'text', (c) => c.notNull())
    .addColumn('epoch', 'integer', (c) => c.notNull())
    .addColumn('manifest', 'text', (c) => c.notNull())
    .addColumn('since', 'text', (c) => c.notNull())
    .execute()
  for (const name of ['study_pseudonym', 'series_pseudonym', 'frame_of_reference_pseudonym'])
    await db.schema.alterTable('dicom').addColumn(name, 'text').execute()
  await db.schema.alterTable('medical').addColumn('shifted_date', 'text').execute()
  await db.schema.alterTable('medical').addColumn('age', 'double precision').execute()
  await db.schema.createIndex('dicom_by_study').on('dicom').column('study_pseudonym').execute()
}
