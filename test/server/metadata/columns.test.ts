import t from 'tap'
import { FIELDS } from '@mdm/core/volume/sidecar/sidecar'
import { presetEntries, type Preset } from '../../../packages/core/src/acl/presets.ts'
import { COLUMNS, mayRead, TABLE_NAMES } from '../../../packages/server/src/metadata/column-rights.ts'
import { TABLES, type View } from '../../../packages/server/src/metadata/columns.ts'
import { openSiteStore } from '../../../packages/server/src/store/site-store.ts'

t.test('the database has exactly the columns of the five tables', async (t) => {
  const db = await openSiteStore(':memory:')
  t.teardown(() => db.destroy())
  const tables = await db.introspection.getTables()
  for (const table of TABLE_NAMES) {
    const columns = tables.find(({ name }) => name === table)?.columns ?? []
    const wanted = Object.entries(TABLES[table]).map(([name, { type }]) => [
      name,
      type === 'number' ? 'double precision' : 'text',
    ])
    const held = columns.map(({ name, dataType }) => [name, dataType.toLowerCase()])
    t.strictSame(
      held.filter(([name]) => name !== 'guid' && name !== 'version').toSorted(),
      wanted.toSorted(),
      table,
    )
  }
})

t.test('a column that two tables have is patient_id, which relates them', async (t) => {
  const names = COLUMNS.map(({ column }) => column)
  t.strictSame([...new Set(names.filter((name, i) => names.indexOf(name) !== i))], ['patient_id'])
})

/** The columns of a preset, as the schema has them. */
function columnsOf(preset: Preset): string[] {
  const entries = presetEntries(preset, { kind: 'group', name: 'all' }, { versions: 'all' })
  const rights = new Map(
    entries.flatMap(({ object, entry }) => {
      const table = TABLE_NAMES.find((name) => object === `metadata:${name}`)
      const view = (['read', 'research', 'basic'] as const).find((right) => entry.rights.includes(right))
      return table === undefined || view === undefined ? [] : [[table, view as View] as const]
    }),
  )
  return COLUMNS.filter((column) => mayRead(rights, column)).map(({ table, column }) => `${table}.${column}`)
}

t.test('replicate shows no column at all', async (t) => {
  t.strictSame(columnsOf('replicate'), [])
})

t.test('process shows what the decrypted header says anyway: modality, size, geometry', async (t) => {
  t.strictSame(columnsOf('process'), [
    'image.columns',
    'image.rows',
    'image.slices',
    'image.column_spacing',
    'image.row_spacing',
    'image.slice_spacing',
    'image.space_origin',
    'image.space_directions',
    'image.type',
    'image.rescale_slope',
    'image.rescale_intercept',
    'image.units',
    'image.lossy',
    'medical.modality',
  ])
})

t.test(
  'research shows Image, Protocol and Medical, but neither staff nor place nor true day nor the patient',
  async (t) => {
    const shown = columnsOf('research')
    t.strictSame(
      shown.filter((name) => name.startsWith('medical.')),
      [
        'medical.modality',
        'medical.body_part',
        'medical.series_description',
        'medical.manufacturer',
        'medical.model',
        'medical.field_strength',
        'medical.patient_position',
        'medical.contrast_agent',
        'medical.face',
        'medical.shifted_date',
        'medical.age',
      ],
    )
    for (const table of ['image', 'protocol'] as const) {
      t.equal(shown.filter((name) => name.startsWith(`${table}.`)).length, Object.keys(TABLES[table]).length)
    }
    t.notOk(shown.some((name) => name.startsWith('patient.')))
    t.strictSame(
      shown.filter((name) => name.startsWith('dicom.')),
      ['dicom.study_pseudonym', 'dicom.series_pseudonym', 'dicom.frame_of_reference_pseudonym'],
      'and of UIDs what stands for them',
    )
  },
)

t.test('clinical shows everything', async (t) => {
  t.equal(columnsOf('clinical').length, COLUMNS.length)
})

t.test('a sidecar tells nothing that only the full right to read shows', async (t) => {
  for (const { table, column } of FIELDS) {
    const found = Object.entries(TABLES).find(([name]) => name === table)?.[1] as
      Record<string, { view: View }> | undefined
    t.match(found?.[column]?.view, /^(basic|research)$/, `${table}.${column}`)
  }
})
