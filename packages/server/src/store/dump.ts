import type { Kysely, Transaction } from 'kysely'
import { sql } from 'kysely'
import { isPostgresUrl } from './postgres.ts'

/** Any schema: tables and columns by name, as a backup knows them. */
export type AnySchema = Record<string, Record<string, unknown>>

export interface RowPage {
  readonly table: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly unknown[])[]
}

/** Rows in one go; the longest row is a manifest or a header of some kilobytes. */
const PAGE = 200

/**
 * Does something with a store that stands still while others write on: one read transaction over one state.
 *
 * @param store path or URL, as it was opened
 */
export async function frozen<Result>(
  db: Kysely<AnySchema>,
  store: string,
  work: (trx: Transaction<AnySchema>) => Promise<Result>,
): Promise<Result> {
  const transaction = db.transaction()
  // SQLite in WAL mode keeps the state of the first read for the whole transaction.
  return await (
    isPostgresUrl(store) ? transaction.setIsolationLevel('repeatable read') : transaction
  ).execute(work)
}

/** Every row of a table in order of its primary key, a page at a time. */
export async function* pagesOf(
  trx: Kysely<AnySchema>,
  table: string,
  key: readonly string[],
): AsyncGenerator<RowPage> {
  for (let last: unknown[] | undefined; ;) {
    let query = trx.selectFrom(table).selectAll().limit(PAGE)
    for (const column of key) query = query.orderBy(column)
    if (last !== undefined) {
      const columns = sql.join(key.map((column) => sql.ref(column)))
      query = query.where(sql<boolean>`(${columns}) > (${sql.join(last)})`)
    }
    const found = await query.execute()
    if (found.length === 0) return
    const columns = Object.keys(found[0]!)
    yield { table, columns, rows: found.map((row) => columns.map((column) => row[column])) }
    if (found.length < PAGE) return
    last = key.map((column) => found.at(-1)![column])
  }
}

/** Puts the rows of a page into an empty store. */
export async function insertPage(trx: Kysely<AnySchema>, { table, columns, rows }: RowPage): Promise<void> {
  const at = Math.max(1, Math.floor(900 / columns.length))
  for (let i = 0; i < rows.length; i += at) {
    const values = rows
      .slice(i, i + at)
      .map((row) => Object.fromEntries(columns.map((name, c) => [name, row[c]])))
    await trx.insertInto(table).values(values).execute()
  }
}

/** Names of the migrations a store has had, in order. */
export async function schemaOf(trx: Kysely<AnySchema>): Promise<string[]> {
  const rows = await trx.selectFrom('kysely_migration').select('name').orderBy('name').execute()
  return rows.map((row) => String(row['name']))
}
