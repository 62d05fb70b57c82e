import { sql, type Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import { RELEASE } from './release-migration.ts'
import { labels } from './label-migration.ts'
import { PLANES } from './planes-migration.ts'
import { sets } from './set-migration.ts'
import { srmRequests } from './srm-migration.ts'
import { pseudonyms } from './pseudonym-migration.ts'

/** Columns of the metadata tables as of migration 001; later ones are added by later migrations. A test compares with metadata/columns.ts. */
const METADATA_001 = {
  patient: {
    text: 'patient_id patient_name source_patient_id issuer_of_patient_id sex birth_date',
    number: '',
  },
  image: {
    text: 'patient_id space_origin space_directions type units encoding photometric image_type',
    number:
      'columns rows slices column_spacing row_spacing slice_spacing rescale_slope rescale_intercept bits_stored instances',
  },
  medical: {
    text: 'modality body_part series_description manufacturer model patient_position contrast_agent study_description patient_age acquisition_date acquisition_time study_date institution institution_address department station radiologist referring_physician performing_physician operator',
    number: 'field_strength patient_weight',
  },
  dicom: {
    text: 'study_uid series_uid frame_of_reference_uid sop_class_uid transfer_syntax_uid accession_number study_id',
    number: 'series_number',
  },
  protocol: {
    text: 'protocol_name sequence_name scanning_sequence sequence_variant scan_options acquisition_type convolution_kernel',
    number: 'repetition_time echo_time inversion_time flip_angle slice_thickness kvp',
  },
} as const

/** The site's schema, step by step; a step that was published never changes. */
export const SITE_MIGRATIONS: Record<string, Migration> = {
  '001-site': {
    async up(db) {
      await catalog(db)
      await access(db)
      await metadata(db)
      await registration(db)
    },
  },
  '002-restored': {
    async up(db) {
      await db.schema
        .createTable('restored')
        .addColumn('since', 'text', (c) => c.primaryKey())
        .execute()
      await db.schema
        .createTable('found_keys')
        .addColumn('kid', 'text', (c) => c.primaryKey())
        .addColumn('guid', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('volume_key', 'text', (c) => c.notNull())
        .addColumn('content_digest', 'text', (c) => c.notNull())
        .addColumn('manifest', 'text', (c) => c.notNull())
        .addColumn('created', 'text', (c) => c.notNull())
        .addColumn('servers', 'integer', (c) => c.notNull())
        .execute()
    },
  },
  '003-notices': {
    async up(db) {
      const ofSeries = (table: string) =>
        db.schema
          .createTable(table)
          .addColumn('source', 'text', (c) => c.notNull())
          .addColumn('study', 'text', (c) => c.notNull())
          .addColumn('series', 'text', (c) => c.notNull())
          .addPrimaryKeyConstraint(`${table}_pk`, ['source', 'study', 'series'])
      await ofSeries('notices')
        .addColumn('noticed_by', 'text', (c) => c.notNull())
        .addColumn('noticed', 'text', (c) => c.notNull())
        .execute()
      await ofSeries('series_counts')
        .addColumn('objects', 'integer', (c) => c.notNull())
        .addColumn('mark', 'text')
        .addColumn('counted', 'text', (c) => c.notNull())
        .execute()
      await db.schema
        .createTable('source_looks')
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('looked_by', 'text', (c) => c.notNull())
        .addColumn('looked', 'text', (c) => c.notNull())
        .addColumn('position', 'bigint')
        .addColumn('list', 'text')
        .addPrimaryKeyConstraint('source_looks_pk', ['source', 'looked_by'])
        .execute()
    },
  },
  '004-changes': {
    async up(db) {
      await changes(db)
      await db.schema.alterTable('volumes').addColumn('gone_since', 'text').execute()
      await db.schema.alterTable('quarantine').addColumn('dropped', 'text').execute()
      await db.schema.createIndex('volumes_by_series').on('volumes').columns(['source', 'series']).execute()
      await db.schema.createIndex('journal_by_series').on('journal').columns(['source', 'series']).execute()
      await db.schema
        .createIndex('quarantine_by_series')
        .on('quarantine')
        .columns(['source', 'series'])
        .execute()
    },
  },
  '005-release': RELEASE,
  '006-labels': labels,
  '007-planes': PLANES,
  '008-sets': sets,
  '009-pseudonyms': { up: pseudonyms },
  '010-srm-requests': { up: srmRequests },
}

/** What was registered before there was a list of changes is put into it, in the order of the registrations. */
async function changes(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('changes')
    .addColumn('seq', 'bigint', (c) => c.primaryKey())
    .addColumn('time', 'text', (c) => c.notNull())
    .addColumn('guid', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('change', 'text', (c) => c.notNull())
    .execute()
  await db.schema.createIndex('changes_by_guid').on('changes').column('guid').execute()
  await sql`insert into changes (seq, time, guid, version, change)
    select row_number() over (order by registered, guid, version), registered, guid, version,
      case when version = 1 then 'registered' else 'new-version' end
    from versions`.execute(db)
  // A store without a row is one that a backup may be put back into.
  await sql`insert into counters (name, value)
    select 'changes', n from (select count(*) as n from changes) as counted where n > 0`.execute(db)
}

async function catalog(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('volumes')
    .addColumn('guid', 'text', (c) => c.primaryKey())
    .addColumn('lfn', 'text', (c) => c.notNull().unique())
    .addColumn('source', 'text', (c) => c.notNull())
    .addColumn('study', 'text', (c) => c.notNull())
    .addColumn('series', 'text', (c) => c.notNull())
    .addColumn('ordinal', 'integer', (c) => c.notNull())
    .addColumn('volume_key', 'text', (c) => c.notNull().unique())
    .addColumn('latest', 'integer', (c) => c.notNull())
    .execute()
  await db.schema
    .createTable('versions')
    .addColumn('guid', 'text', (c) => c.notNull().references('volumes.guid'))
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('kid', 'text', (c) => c.notNull().unique())
    .addColumn('profile', 'text', (c) => c.notNull())
    .addColumn('volume', 'text', (c) => c.notNull())
    .addColumn('header', 'text', (c) => c.notNull())
    .addColumn('slice_bytes', 'bigint', (c) => c.notNull())
    .addColumn('plaintext_bytes', 'bigint', (c) => c.notNull())
    .addColumn('container_bytes', 'bigint', (c) => c.notNull())
    .addColumn('content_digest', 'text', (c) => c.notNull())
    .addColumn('plaintext_sha256', 'text')
    .addColumn('registered', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('versions_pk', ['guid', 'version'])
    .execute()
  await db.schema
    .createTable('replicas')
    .addColumn('guid', 'text', (c) => c.notNull().references('volumes.guid'))
    .addColumn('surl', 'text', (c) => c.notNull().unique())
    .addColumn('site', 'text', (c) => c.notNull())
    .addColumn('source', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('replicas_pk', ['guid', 'surl'])
    .execute()
  await db.schema
    .createTable('slices')
    .addColumn('guid', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('slice_index', 'integer', (c) => c.notNull())
    .addColumn('instance_guid', 'text', (c) => c.notNull().unique())
    .addColumn('sop', 'text', (c) => c.notNull())
    .addColumn('rows', 'integer', (c) => c.notNull())
    .addColumn('columns', 'integer', (c) => c.notNull())
    .addColumn('position', 'text', (c) => c.notNull())
    .addColumn('orientation', 'text', (c) => c.notNull())
    .addColumn('bits_allocated', 'integer', (c) => c.notNull())
    .addColumn('bits_stored', 'integer', (c) => c.notNull())
    .addColumn('high_bit', 'integer', (c) => c.notNull())
    .addColumn('pixel_representation', 'integer', (c) => c.notNull())
    .addColumn('slope', 'double precision', (c) => c.notNull())
    .addColumn('intercept', 'double precision', (c) => c.notNull())
    .addPrimaryKeyConstraint('slices_pk', ['guid', 'version', 'slice_index'])
    .addForeignKeyConstraint('slices_version', ['guid', 'version'], 'versions', ['guid', 'version'])
    .execute()
  await db.schema
    .createTable('manifests')
    .addColumn('guid', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('epoch', 'integer', (c) => c.notNull())
    .addColumn('jws', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('manifests_pk', ['guid', 'version', 'epoch'])
    .addForeignKeyConstraint('manifests_version', ['guid', 'version'], 'versions', ['guid', 'version'])
    .execute()
}

async function access(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('statements')
    .addColumn('scope', 'text', (c) => c.notNull())
    .addColumn('object', 'text', (c) => c.notNull())
    .addColumn('seq', 'integer', (c) => c.notNull())
    .addColumn('digest', 'text', (c) => c.notNull())
    .addColumn('jws', 'text', (c) => c.notNull())
    .addColumn('stored', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('statements_pk', ['scope', 'object', 'seq'])
    .execute()
  await db.schema
    .createTable('access_lists')
    .addColumn('scope', 'text', (c) => c.notNull())
    .addColumn('object', 'text', (c) => c.notNull())
    .addColumn('seq', 'integer', (c) => c.notNull())
    .addColumn('head', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('seal', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('access_lists_pk', ['scope', 'object'])
    .execute()
}

async function metadata(db: Kysely<unknown>): Promise<void> {
  for (const [table, { text, number }] of Object.entries(METADATA_001)) {
    let create = db.schema
      .createTable(table)
      .addColumn('guid', 'text', (c) => c.notNull())
      .addColumn('version', 'integer', (c) => c.notNull())
      .addPrimaryKeyConstraint(`${table}_pk`, ['guid', 'version'])
      .addForeignKeyConstraint(`${table}_version`, ['guid', 'version'], 'versions', ['guid', 'version'])
    for (const name of words(text)) create = create.addColumn(name, 'text')
    for (const name of words(number)) create = create.addColumn(name, 'double precision')
    await create.execute()
  }
  await db.schema.createIndex('patient_by_id').on('patient').column('patient_id').execute()
  await db.schema.createIndex('medical_by_modality').on('medical').column('modality').execute()
}

async function registration(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('journal')
    .addColumn('volume_key', 'text', (c) => c.primaryKey())
    .addColumn('source', 'text', (c) => c.notNull())
    .addColumn('study', 'text', (c) => c.notNull())
    .addColumn('series', 'text', (c) => c.notNull())
    .addColumn('ordinal', 'integer', (c) => c.notNull())
    .addColumn('state', 'text', (c) =>
      c.notNull().check(sql`state in ('PENDING', 'WAITING', 'ACTIVE', 'QUARANTINED')`),
    )
    .addColumn('code', 'text')
    .addColumn('caller', 'text', (c) => c.notNull())
    .addColumn('created', 'text', (c) => c.notNull())
    .addColumn('updated', 'text', (c) => c.notNull())
    .addColumn('acknowledged', 'text')
    .execute()
  await db.schema
    .createTable('attempts')
    .addColumn('kid', 'text', (c) => c.primaryKey())
    .addColumn('guid', 'text', (c) => c.notNull())
    .addColumn('volume_key', 'text', (c) => c.notNull().references('journal.volume_key'))
    .addColumn('created', 'text', (c) => c.notNull())
    .execute()
  await db.schema
    .createTable('quarantine')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('source', 'text', (c) => c.notNull())
    .addColumn('study', 'text', (c) => c.notNull())
    .addColumn('series', 'text', (c) => c.notNull())
    .addColumn('code', 'text', (c) => c.notNull())
    .addColumn('reason', 'text', (c) => c.notNull())
    .addColumn('tags', 'text', (c) => c.notNull())
    .addColumn('instances', 'integer', (c) => c.notNull())
    .addColumn('digest', 'text', (c) => c.notNull().unique())
    .addColumn('created', 'text', (c) => c.notNull())
    .execute()
  await db.schema
    .createTable('counters')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('value', 'bigint', (c) => c.notNull())
    .execute()
  await db.schema
    .createTable('outbox')
    .addColumn('event_id', 'text', (c) => c.primaryKey())
    .addColumn('position', 'bigint', (c) => c.notNull().unique())
    .addColumn('event', 'text', (c) => c.notNull())
    .execute()
}

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '')
}
