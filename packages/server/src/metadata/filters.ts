import type { Comparison, Operator } from '@mdm/core/query/ast'
import { valueOf } from '@mdm/core/query/value'
import { MdmError } from '@mdm/core/errors'
import type { Column, TableName } from './columns.ts'
import { COLUMNS } from './column-rights.ts'

/** A comparison whose column is known; the column may be in several tables, and then says the same in each. */
export interface Filter {
  readonly columns: readonly (Column & { table: TableName; column: string })[]
  readonly comparison: Comparison
}

/** A filter with the value as the column's type has it. */
export interface Condition {
  readonly table: TableName
  readonly column: string
  readonly operator: Operator
  readonly value: string | number
}

/** Finds the columns of a query, by name or by table.name; a comparison of an unknown one has none, and is refused like a forbidden one. */
export function filtersOf(comparisons: readonly Comparison[]): Filter[] {
  return comparisons.map((comparison) => ({
    columns: COLUMNS.filter(({ table, column }) =>
      [column, `${table}.${column}`].includes(comparison.column),
    ),
    comparison,
  }))
}

/** Values are looked at last: a forbidden column must not tell its type. @throws MDM_QUERY */
export function conditionOf({ columns, comparison }: Filter): Condition {
  const { table, column, type } = columns[0]!
  return { table, column, operator: comparison.operator, value: valueOf(comparison.value, type) }
}

/** One text for what does not exist and for what the caller may not read: neither may be told from the other. */
export function unreadable({ column, position }: Comparison): MdmError {
  const text = `at character ${position} of the query: there is no column "${column.slice(0, 64)}" that you may read`
  return new MdmError('MDM_QUERY', text, { details: { position } })
}
