import { parseQuery } from '@mdm/core/query/grammar'
import type { Caller } from '@mdm/core/identity/identify'
import type { Guid, Version } from '@mdm/core/names'
import type { Access, ListedVolume } from '../catalog/access.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { SiteStore } from '../store/site-store.ts'
import { columnRights, mayRead, TABLE_NAMES, type ColumnRights } from './column-rights.ts'
import type { Cell, TableName } from './columns.ts'
import { conditionOf, filtersOf, unreadable, type Filter } from './filters.ts'
import { SET_COLUMN, splitSets } from './set-comparisons.ts'
import { splitColumns, tableRows, versionsWhere } from './rows.ts'

const DEFAULT_LIMIT = 10_000
const PAGE = 1000

export interface QueryAnswer {
  /** `guid`, `version`, `set` and every column the caller may read of that volume; in order of GUID */
  readonly rows: Record<string, Cell>[]
  /** columns (table.column) that at least one row lacks for want of a right */
  readonly withheld: string[]
  /** columns the query compared, for the audit log */
  readonly compared: string[]
}

export interface QueryOptions {
  readonly db: SiteStore
  readonly catalog: Catalog
  readonly access: Access
}

/**
 * Answers a metadata query (paper 4.2, 5.3) with the volumes that the caller may list and whose compared columns he may read; of
 * each, the newest version he may list. What he may not read can change neither the rows nor the error. A volume that its source no
 * longer has is not found: a query is for data to work on.
 *
 * @throws MDM_QUERY for what cannot be read, and alike for a column that is unknown or that no volume lets the caller read
 * @see decision 8
 */
export async function answerQuery(
  o: QueryOptions,
  caller: Caller,
  question: { expr: string; limit?: number | undefined },
): Promise<QueryAnswer> {
  const query = splitSets(parseQuery(question.expr))
  const filters = filtersOf(query.tables)
  const readable = await readableVolumes(o, caller, filters)
  const conditions = filters.map(conditionOf)
  const candidates = (await versionsWhere(o.db, conditions)).filter(
    ({ guid, version }) => readable.get(guid) === version,
  )
  const limit = question.limit ?? DEFAULT_LIMIT
  const volumes = await inSets(o, caller, candidates, { tests: query.sets, limit })
  const columns = conditions.map(({ table, column }) => `${table}.${column}`)
  const compared = [...new Set([...columns, ...(query.sets.length > 0 ? [SET_COLUMN] : [])])]
  return { ...(await shownRows(o, caller, volumes)), compared }
}

/** The first `limit` volumes whose set passes, with it. */
async function inSets(
  o: QueryOptions,
  caller: Caller,
  candidates: readonly ListedVolume[],
  { tests, limit }: { tests: readonly ((set: Guid | undefined) => boolean)[]; limit: number },
): Promise<(ListedVolume & { set: Guid | undefined })[]> {
  const setOf = o.access.sets.memberships(caller)
  const volumes = []
  for (const volume of candidates) {
    if (volumes.length === limit) break
    const set = await setOf(volume.guid)
    if (tests.every((passes) => passes(set))) volumes.push({ ...volume, set })
  }
  return volumes
}

/** Volumes in the version the caller sees, of which he may read every column compared. */
async function readableVolumes(
  o: QueryOptions,
  caller: Caller,
  filters: readonly Filter[],
): Promise<Map<Guid, Version>> {
  const tables = [...new Set(filters.flatMap((filter) => filter.columns.map((column) => column.table)))]
  const unread = new Set(filters)
  const readable = new Map<Guid, Version>()
  for await (const volume of listedVolumes(o, caller)) {
    const rights = await columnRights(o.access, caller, volume, tables)
    const mayReadAll = filters.map((filter) => {
      const may = filter.columns.some((column) => mayRead(rights, column))
      if (may) unread.delete(filter)
      return may
    })
    if (mayReadAll.every(Boolean) && !volume.isGone) readable.set(volume.guid, volume.version)
  }
  const [forbidden] = unread
  if (forbidden !== undefined) throw unreadable(forbidden.comparison)
  return readable
}

/** Every volume the caller may list, in the newest version he may list, by GUID. */
export async function* listedVolumes(
  o: Pick<QueryOptions, 'catalog' | 'access'>,
  caller: Caller,
  start?: Guid,
): AsyncGenerator<ListedVolume & { isGone: boolean }> {
  let after = start
  let page: { guid: Guid; latest: Version; isGone: boolean }[]
  do {
    page = await o.catalog.page(after, PAGE)
    for (const volume of page) {
      const version = await o.access.listed(caller, volume)
      if (version !== undefined) yield { guid: volume.guid, version, isGone: volume.isGone }
    }
    after = page.at(-1)?.guid
  } while (page.length === PAGE)
}

async function shownRows(
  o: QueryOptions,
  caller: Caller,
  volumes: readonly (ListedVolume & { set: Guid | undefined })[],
): Promise<Pick<QueryAnswer, 'rows' | 'withheld'>> {
  const tables = new Map<TableName, Awaited<ReturnType<typeof tableRows>>>()
  for (const table of TABLE_NAMES) tables.set(table, await tableRows(o.db, table, volumes))
  const withheld = new Set<string>()
  const rows: Record<string, Cell>[] = []
  for (const volume of volumes) {
    const rights = await columnRights(o.access, caller, volume)
    const { guid, version, set } = volume
    const row: Record<string, Cell> = { guid, version, ...(set === undefined ? {} : { set }) }
    for (const table of TABLE_NAMES)
      addCells(row, withheld, rights, table, tables.get(table)?.get(volume.guid))
    rows.push(row)
  }
  return { rows, withheld: [...withheld] }
}

function addCells(
  row: Record<string, Cell>,
  withheld: Set<string>,
  rights: ColumnRights,
  table: TableName,
  cells: Readonly<Record<string, Cell>> = {},
): void {
  const split = splitColumns(rights, table)
  for (const { column } of split.shown) row[column] = cells[column] ?? null
  for (const { column } of split.withheld) withheld.add(`${table}.${column}`)
}
