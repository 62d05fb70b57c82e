/** Who may read a column: each view holds the ones before it. */
export type View = 'basic' | 'research' | 'read'

export interface Column {
  readonly type: 'text' | 'number' | 'date'
  readonly view: View
}

const text = (view: View): Column => ({ type: 'text', view })
const number = (view: View): Column => ({ type: 'number', view })
const date = (view: View): Column => ({ type: 'date', view })

/**
 * The five tables of paper 5.3. `patient_id` is the pseudonym and relates Image to Patient; all other tables are
 * indexed by the GUID, which is no column here. A column name means one thing in every table that has it.
 *
 * `basic` is what the header of the decrypted volume says anyway. `research` adds what comes from the scanner;
 * text typed for one examination stays in `read`, since it may name a person, a place or a day. What stands for a UID or a day is made
 * by register/pseudonyms; `age` is in years, 90 for all above 89.
 */
export const TABLES = {
  patient: {
    patient_id: text('read'),
    patient_name: text('read'),
    source_patient_id: text('read'),
    issuer_of_patient_id: text('read'),
    sex: text('read'),
    birth_date: date('read'),
  },
  image: {
    patient_id: text('read'),
    columns: number('basic'),
    rows: number('basic'),
    slices: number('basic'),
    column_spacing: number('basic'),
    row_spacing: number('basic'),
    slice_spacing: number('basic'),
    space_origin: text('basic'),
    space_directions: text('basic'),
    type: text('basic'),
    rescale_slope: number('basic'),
    rescale_intercept: number('basic'),
    units: text('basic'),
    encoding: text('read'),
    bits_stored: number('read'),
    photometric: text('read'),
    image_type: text('read'),
    instances: number('read'),
    lossy: text('basic'),
    volume_label: text('read'),
    quantity: text('read'),
  },
  medical: {
    modality: text('basic'),
    body_part: text('research'),
    series_description: text('research'),
    manufacturer: text('research'),
    model: text('research'),
    field_strength: number('research'),
    patient_position: text('research'),
    contrast_agent: text('research'),
    face: text('research'),
    shifted_date: date('research'),
    age: number('research'),
    study_description: text('read'),
    patient_age: text('read'),
    patient_weight: number('read'),
    acquisition_date: date('read'),
    acquisition_time: text('read'),
    study_date: date('read'),
    institution: text('read'),
    institution_address: text('read'),
    department: text('read'),
    station: text('read'),
    radiologist: text('read'),
    referring_physician: text('read'),
    performing_physician: text('read'),
    operator: text('read'),
  },
  dicom: {
    study_pseudonym: text('research'),
    series_pseudonym: text('research'),
    frame_of_reference_pseudonym: text('research'),
    study_uid: text('read'),
    series_uid: text('read'),
    frame_of_reference_uid: text('read'),
    sop_class_uid: text('read'),
    transfer_syntax_uid: text('read'),
    accession_number: text('read'),
    study_id: text('read'),
    series_number: number('read'),
  },
  protocol: {
    protocol_name: text('read'),
    sequence_name: text('read'),
    scanning_sequence: text('research'),
    sequence_variant: text('research'),
    scan_options: text('read'),
    acquisition_type: text('research'),
    repetition_time: number('research'),
    echo_time: number('research'),
    inversion_time: number('research'),
    flip_angle: number('research'),
    slice_thickness: number('research'),
    kvp: number('research'),
    convolution_kernel: text('read'),
    echo_number: number('read'),
    b_value: number('read'),
    gradient: text('read'),
    time_index: number('read'),
    cardiac_phase: number('read'),
    trigger_time: number('read'),
  },
} as const satisfies Record<string, Record<string, Column>>

export type TableName = keyof typeof TABLES

/** A value of a row: text, number, ISO date (YYYY-MM-DD), or null where the object does not say. */
export type Cell = string | number | null

/** The views a right includes: `read` reads all, `research` all but what may name someone, `basic` the least. */
export function viewsOf(right: View): readonly View[] {
  if (right === 'read') return ['basic', 'research', 'read']
  return right === 'research' ? ['basic', 'research'] : ['basic']
}
