import type { InstanceHeader } from '../dicom/source.ts'
import type { Row, TableRows } from './plan.ts'

/** Columns that `research` shows and into which people type: what they are for is no name, but a name may be in them. */
export const TYPED = {
  image: ['image_type', 'volume_label'],
  medical: ['body_part', 'series_description', 'contrast_agent', 'patient_position'],
  protocol: [
    ...['protocol_name', 'sequence_name', 'scanning_sequence', 'sequence_variant', 'scan_options'],
    ...['acquisition_type', 'convolution_kernel'],
  ],
} as const satisfies Partial<Record<keyof TableRows, readonly string[]>>

/** Shorter words of a name are too many other things. */
const SHORTEST_WORD = 3
/** What is no description: a date or number of a patient, a name as DICOM writes it, an address. */
const FORMS = /\d{6}|\d{4}[-./]\d{2}[-./]\d{2}|\d{2}[-./]\d{2}[-./]\d{4}|\^|@/

/**
 * Withholds a description that has a word of the patient's, staff's or place's name or number in it, or the form of such a thing.
 * No list of names is complete, so this mends what an operator typed for convenience, and no more; the whole text goes, not the word.
 *
 * @see DICOM PS3.15 annex E.3.4 (Clean Descriptors)
 */
export function withoutNames(tables: TableRows, { text }: InstanceHeader): TableRows {
  const names = new Set(
    [
      ...[text.PatientName, text.PatientID, text.AccessionNumber, text.StudyID, text.InstitutionName],
      ...[text.ReferringPhysicianName, text.PerformingPhysicianName, text.NameOfPhysiciansReadingStudy],
      ...[text.OperatorsName, text.StationName, text.PatientBirthDate],
    ]
      .flatMap((value) => wordsOf(value ?? ''))
      .filter((word) => !GENERAL.has(word)),
  )
  const clean = (row: Row, columns: readonly string[]): Row => {
    const named = columns.filter((column) => {
      const value = row[column]
      return (
        typeof value === 'string' && (FORMS.test(value) || wordsOf(value).some((word) => names.has(word)))
      )
    })
    return named.length === 0 ? row : { ...row, ...Object.fromEntries(named.map((column) => [column, null])) }
  }
  return {
    ...tables,
    image: clean(tables.image, TYPED.image),
    medical: clean(tables.medical, TYPED.medical),
    protocol: clean(tables.protocol, TYPED.protocol),
  }
}

/** Words that stand in names of departments and in descriptions alike. */
const GENERAL = new Set(
  'the and for und der die les des head brain neuro mri mrt irm scan chest heart abdomen spine pet nuclear test phantom'.split(
    ' ',
  ),
)

function wordsOf(text: string): string[] {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  return plain
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => [...word].length >= SHORTEST_WORD || /[^\x00-\x7f]{2}/.test(word))
}
