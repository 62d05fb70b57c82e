import type { Caller } from '@mdm/core/identity/identify'
import type { Access, ListedVolume } from '../catalog/access.ts'
import { TABLES, viewsOf, type Column, type TableName, type View } from './columns.ts'

/** The rights on a metadata table, the widest first; each includes the ones after it. */
const VIEWS = ['read', 'research', 'basic'] as const satisfies readonly View[]

export const TABLE_NAMES = Object.keys(TABLES) as TableName[]

/** A column of one table. */
export interface ColumnName {
  readonly table: TableName
  readonly column: string
}

/** Every column, in the order of the schema. */
export const COLUMNS: readonly (ColumnName & Column)[] = TABLE_NAMES.flatMap((table) =>
  Object.entries<Column>(TABLES[table]).map(([column, of]) => ({ table, column, ...of })),
)

/** What a caller may read of one volume: the widest view of each table; a table without one is not there. */
export type ColumnRights = ReadonlyMap<TableName, View>

/** @param tables the tables asked about; all of them unless told */
export async function columnRights(
  access: Access,
  caller: Caller,
  volume: ListedVolume,
  tables: readonly TableName[] = TABLE_NAMES,
): Promise<ColumnRights> {
  const rights = new Map<TableName, View>()
  for (const table of tables) {
    for (const view of VIEWS) {
      if (!(await access.holds(caller, volume, `metadata:${table}`, view))) continue
      rights.set(table, view)
      break
    }
  }
  return rights
}

export function mayRead(rights: ColumnRights, { table, view }: { table: TableName; view: View }): boolean {
  const held = rights.get(table)
  return held !== undefined && viewsOf(held).includes(view)
}
