import type { Guid } from '@mdm/core/names'
import type { ListedVolume } from '../catalog/access.ts'
import type { SiteStore } from '../store/site-store.ts'
import type { Cell, TableName } from './columns.ts'
import { COLUMNS, mayRead, type ColumnName, type ColumnRights } from './column-rights.ts'
import type { Condition } from './filters.ts'

/** Parameters of one statement; every SQL database takes as many. */
const BATCH = 500

/**
 * Every version of every volume for which the conditions hold, by GUID; whose they are to see is not decided here. A row without
 * a value fulfils no condition, not even `!=`.
 */
export async function versionsWhere(
  db: SiteStore,
  conditions: readonly Condition[],
): Promise<ListedVolume[]> {
  let query = db.selectFrom('versions').select(['versions.guid', 'versions.version'])
  for (const table of new Set(conditions.map((c) => c.table))) {
    // One name stands for all five: they share the two columns of the join.
    const joined = table as 'image'
    query = query.innerJoin(joined, (join) =>
      join.onRef(`${joined}.guid`, '=', 'versions.guid').onRef(`${joined}.version`, '=', 'versions.version'),
    )
  }
  for (const { table, column, operator, value } of conditions) {
    query = query.where(db.dynamic.ref(`${table}.${column}`), operator, value)
  }
  return await query.orderBy('versions.guid').orderBy('versions.version').execute()
}

/** Rows of one table for some volumes, by `guid`. */
export async function tableRows(
  db: SiteStore,
  table: TableName,
  volumes: readonly ListedVolume[],
): Promise<ReadonlyMap<Guid, Readonly<Record<string, Cell>>>> {
  const rows = new Map<Guid, Record<string, Cell>>()
  const versions = new Map(volumes.map((volume) => [volume.guid, volume.version]))
  for (let i = 0; i < volumes.length; i += BATCH) {
    const guids = volumes.slice(i, i + BATCH).map((volume) => volume.guid)
    const found = await db
      .selectFrom(table as 'image')
      .selectAll()
      .where('guid', 'in', guids)
      .execute()
    for (const { guid, version, ...cells } of found) if (versions.get(guid) === version) rows.set(guid, cells)
  }
  return rows
}

/** The columns of a table that these rights show, and the ones they do not. */
export function splitColumns(
  rights: ColumnRights,
  table: TableName,
): { shown: ColumnName[]; withheld: ColumnName[] } {
  const columns = COLUMNS.filter((column) => column.table === table)
  return {
    shown: columns.filter((column) => mayRead(rights, column)),
    withheld: columns.filter((column) => !mayRead(rights, column)),
  }
}
