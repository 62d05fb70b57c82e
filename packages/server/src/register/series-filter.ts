import { MdmError } from '@mdm/core/errors'
import type { Comparison } from '@mdm/core/query/ast'
import { parseQuery } from '@mdm/core/query/grammar'
import { valueOf } from '@mdm/core/query/value'
import type { SeriesFilter } from '../dicom/source.ts'

const DAY_MS = 86_400_000

/** What a value must look like; a source would take * ? and \ for wild cards and lists (PS3.4 C.2.2.2). */
const FORMS = {
  modality: /^[A-Z0-9_]{1,16}$/,
  study_uid: /^[0-9.]{1,64}$/,
  series_uid: /^[0-9.]{1,64}$/,
  source_patient_id: /^[^*?\\\p{C}]{1,64}$/u,
} as const

const NAMES = {
  modality: 'modality',
  study_uid: 'study',
  series_uid: 'series',
  source_patient_id: 'patientId',
} as const satisfies Record<keyof typeof FORMS, keyof SeriesFilter>

/**
 * Which series of a source an expression means: `modality=MR and study_date>=2024-01-31`, in the grammar of `mdm query`. Only what a
 * source can be asked for: modality, study_uid, series_uid and source_patient_id with `=`, study_date with = < <= > >=.
 *
 * @throws MDM_QUERY with the place of the fault; never with a value, which may name a patient
 */
export function seriesFilter(expression: string): SeriesFilter {
  const filter: SeriesFilter = {}
  const range: { from?: string; to?: string } = {}
  for (const comparison of parseQuery(expression).comparisons) {
    if (comparison.column === 'study_date') narrow(range, comparison)
    else {
      const column = knownColumn(comparison)
      const name = NAMES[column]
      if (comparison.operator !== '=') throw wrong(comparison, `${column} takes "=" only`)
      if (filter[name] !== undefined) throw wrong(comparison, `${column} stands here twice`)
      if (!FORMS[column].test(comparison.value.text)) throw wrong(comparison, `no value for ${column}`)
      filter[name] = comparison.value.text
    }
  }
  if (range.from !== undefined || range.to !== undefined) filter.studyDate = range
  return filter
}

function knownColumn(comparison: Comparison): keyof typeof FORMS {
  const { column } = comparison
  if (Object.hasOwn(FORMS, column)) return column as keyof typeof FORMS
  const hint =
    column === 'patient_id' ? '; patient_id is a pseudonym, source_patient_id the one at the source' : ''
  const names = [...Object.keys(FORMS), 'study_date'].join(', ')
  throw wrong(comparison, `a source can be asked for ${names} only${hint}`)
}

/** Both ends are included, so that "later than" is the day after. */
function narrow(range: { from?: string; to?: string }, comparison: Comparison): void {
  const { operator } = comparison
  if (operator === '!=') throw wrong(comparison, 'study_date takes no "!="')
  const date = String(valueOf(comparison.value, 'date'))
  const ends =
    operator === '=' ? (['from', 'to'] as const) : ([operator.startsWith('>') ? 'from' : 'to'] as const)
  const days = operator === '>' ? 1 : operator === '<' ? -1 : 0
  for (const end of ends) {
    if (range[end] !== undefined) throw wrong(comparison, `study_date has two bounds on one side`)
    range[end] = new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')
  }
}

function wrong({ position }: Comparison, what: string): MdmError {
  return new MdmError('MDM_QUERY', `at character ${position}: ${what}`, { details: { position } })
}
