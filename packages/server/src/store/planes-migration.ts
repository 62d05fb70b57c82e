import type { Migration } from 'kysely/migration'

/** Columns of the metadata tables that tell the volumes of one series apart. */
const TOLD_APART = {
  image: { text: ['lossy', 'volume_label', 'quantity'], number: [] },
  protocol: {
    text: ['gradient'],
    number: ['echo_number', 'b_value', 'time_index', 'cardiac_phase', 'trigger_time'],
  },
} as const

/** A step of the site's schema: a slice may be a frame of an object or a tile of one, and a series several volumes. */
export const PLANES: Migration = {
  async up(db) {
    await db.schema
      .alterTable('slices')
      .addColumn('frame', 'integer', (c) => c.notNull().defaultTo(0))
      .execute()
    for (const column of ['tile', 'value_table'])
      await db.schema.alterTable('slices').addColumn(column, 'text').execute()
    for (const [table, { text, number }] of Object.entries(TOLD_APART)) {
      for (const column of text) await db.schema.alterTable(table).addColumn(column, 'text').execute()
      for (const column of number)
        await db.schema.alterTable(table).addColumn(column, 'double precision').execute()
    }
  },
}
