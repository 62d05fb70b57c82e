import { MdmError } from '../errors.ts'
import type { Literal } from './ast.ts'

/** The types a metadata column may have; a date is ISO 8601 text (YYYY-MM-DD), which sorts as it should. */
export type ColumnType = 'text' | 'number' | 'date'

const NUMBER = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$/
const DATE = /^([0-9]{4})-?([0-9]{2})-?([0-9]{2})$/

/**
 * What a literal means for a column of this type: a number for numbers, YYYY-MM-DD for dates (the DICOM form YYYYMMDD is read
 * too), else the text itself.
 *
 * @throws MDM_QUERY with `details.position` when the literal is not of the type
 */
export function valueOf(literal: Literal, type: ColumnType): string | number {
  if (type === 'text') return literal.text
  const value = type === 'number' ? numberOf(literal.text) : dateOf(literal.text)
  if (value !== undefined) return value
  const wanted = type === 'number' ? 'a number' : 'a date such as 2008-01-31'
  throw new MdmError('MDM_QUERY', `at character ${literal.position} of the query: expected ${wanted}`, {
    details: { position: literal.position },
  })
}

function numberOf(text: string): number | undefined {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) ? value : undefined
}

function dateOf(text: string): string | undefined {
  const [, year, month, day] = DATE.exec(text) ?? []
  if (year === undefined) return undefined
  const iso = `${year}-${month}-${day}`
  // A day the calendar does not have comes back as another one, or not at all.
  const time = Date.parse(`${iso}T00:00:00Z`)
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== iso ? undefined : iso
}
