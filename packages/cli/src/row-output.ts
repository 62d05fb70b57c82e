import { csv, table, type Cell } from './output.ts'

export type RowFormat = 'table' | 'json' | 'guids' | 'csv'

/**
 * Prints rows that all have a `guid` in one of the four formats.
 *
 * @param json what --format json prints: the same object as --json
 */
export function formatRows(
  rows: readonly Readonly<Record<string, Cell>>[],
  as: RowFormat,
  json: unknown,
): string {
  if (as === 'json') return `${JSON.stringify(json, null, 2)}\n`
  if (as === 'guids') return rows.map((row) => `${row['guid']}\n`).join('')
  const all = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  if (as === 'csv')
    return csv(
      all,
      rows.map((row) => all.map((column) => row[column])),
    )
  // An empty column tells a reader nothing and costs width; scripts use the other formats.
  const filled = all.filter((column) => rows.some((row) => (row[column] ?? '') !== ''))
  return rows.length === 0
    ? ''
    : table(
        filled,
        rows.map((row) => filled.map((column) => row[column])),
        process.stdout.columns || undefined,
      )
}
