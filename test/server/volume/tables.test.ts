import { TABLES, viewsOf } from '@mdm/server/metadata/columns'
import t from 'tap'
import { planned } from './generated.ts'

const ORDER = {
  InstitutionName: 'HOSPITAL',
  NameOfPhysiciansReadingStudy: 'READER^RITA',
  StudyDescription: 'HEAD',
  AccessionNumber: 'A1',
  PatientAge: '070Y',
  MagneticFieldStrength: '1.5',
  SpecificCharacterSet: 'ISO_IR 192',
}

t.test('every column of the five tables is filled in or null, and there is no other', async (t) => {
  const { plan } = await planned(t.testdir())
  const { tables } = plan.volumes[0]!
  t.same(Object.keys(tables).sort(), Object.keys(TABLES).sort())
  for (const [name, columns] of Object.entries(TABLES)) {
    const row = tables[name as keyof typeof tables]
    t.same(Object.keys(row).sort(), Object.keys(columns).sort(), name)
    for (const [column, { type }] of Object.entries(columns)) {
      const value = row[column] ?? null
      t.ok(value === null || typeof value === (type === 'number' ? 'number' : 'string'), `${name}.${column}`)
    }
  }
})

t.test('values come from the header of the first slice', async (t) => {
  const patient = { name: 'DÖE^JANE', id: 'P1', birthDate: '19500203', sex: 'F' }
  const { plan, written } = await planned(t.testdir(), { patient, attributes: () => ORDER })
  const { tables } = plan.volumes[0]!
  t.match(tables.patient, {
    patient_id: null,
    patient_name: 'DÖE^JANE',
    source_patient_id: 'P1',
    birth_date: '1950-02-03',
    sex: 'F',
  })
  t.match(tables.image, {
    columns: 4,
    rows: 3,
    slices: 6,
    slice_spacing: 2,
    type: 'uint16',
    rescale_intercept: -1024,
    units: 'HU',
  })
  t.match(tables.medical, {
    modality: 'CT',
    institution: 'HOSPITAL',
    radiologist: 'READER^RITA',
    acquisition_date: '2020-01-02',
    acquisition_time: '10:02:00',
    field_strength: 1.5,
  })
  t.match(tables.dicom, {
    study_uid: written.study,
    series_uid: written.series,
    accession_number: 'A1',
    series_number: 2,
  })
  t.match(tables.protocol, { kvp: 120, slice_thickness: 2, convolution_kernel: 'PHANTOM' })
})

t.test('what is no date or number is null, not a guess', async (t) => {
  const bad = {
    SeriesNumber: undefined,
    AcquisitionDate: '20200231',
    SeriesDate: undefined,
    PatientBirthDate: '***',
    KVP: '',
  }
  const { plan } = await planned(t.testdir(), { attributes: () => bad })
  const { tables } = plan.volumes[0]!
  t.equal(tables.patient.birth_date, null)
  t.equal(tables.dicom.series_number, null)
  t.equal(tables.protocol.kvp, null)
  t.equal(tables.medical.acquisition_date, null)
})

t.test(
  'basic columns are modality, size and geometry; research adds nothing that names staff, place or true day',
  async (t) => {
    const visible = (right: 'basic' | 'research', table: keyof typeof TABLES) =>
      Object.entries(TABLES[table])
        .filter(([, { view }]) => viewsOf(right).includes(view))
        .map(([column]) => column)
    t.same(visible('basic', 'medical'), ['modality'])
    t.same(visible('basic', 'patient'), [])
    t.same(visible('research', 'patient'), [])
    t.same(visible('research', 'dicom'), [
      ...['study_pseudonym', 'series_pseudonym', 'frame_of_reference_pseudonym'],
    ])
    t.same(visible('research', 'medical'), [
      ...['modality', 'body_part', 'series_description', 'manufacturer'],
      ...['model', 'field_strength', 'patient_position', 'contrast_agent', 'face', 'shifted_date', 'age'],
    ])
    t.same(visible('basic', 'image'), [
      ...['columns', 'rows', 'slices', 'column_spacing', 'row_spacing', 'slice_spacing'],
      ...['space_origin', 'space_directions', 'type', 'rescale_slope', 'rescale_intercept', 'units'],
      'lossy',
    ])
  },
)
