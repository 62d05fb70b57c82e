import type { Caller } from '@mdm/core/identity/identify'
import type { Guid, Version, VolumeName } from '@mdm/core/names'
import { columnRights, TABLE_NAMES } from './column-rights.ts'
import type { Cell } from './columns.ts'
import type { QueryOptions } from './query.ts'
import { splitColumns, tableRows } from './rows.ts'

export interface VolumeMetadata {
  readonly guid: Guid
  readonly version: Version
  /** by table, the columns the caller may read */
  readonly tables: Record<string, Record<string, Cell>>
  /** names of tables, and of columns (table.column) of tables that are shown in part */
  readonly withheld: string[]
}

/**
 * The metadata rows of one volume that the caller may read.
 *
 * @throws MDM_NOT_FOUND without `list`
 */
export async function volumeMetadata(
  o: QueryOptions,
  caller: Caller,
  name: VolumeName,
): Promise<VolumeMetadata> {
  const volume = await o.access.resolveName(caller, name)
  const rights = await columnRights(o.access, caller, volume)
  const tables: Record<string, Record<string, Cell>> = {}
  const withheld: string[] = []
  for (const table of TABLE_NAMES) {
    const split = splitColumns(rights, table)
    if (split.shown.length === 0) {
      withheld.push(table)
      continue
    }
    const cells = (await tableRows(o.db, table, [volume])).get(volume.guid) ?? {}
    tables[table] = Object.fromEntries(split.shown.map(({ column }) => [column, cells[column] ?? null]))
    withheld.push(...split.withheld.map(({ column }) => `${table}.${column}`))
  }
  return { guid: volume.guid, version: volume.version, tables, withheld }
}
