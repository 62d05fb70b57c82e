import { chmodSync, closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { SqliteDialect, type Dialect, type SqliteDatabase, type SqliteStatement } from 'kysely'
import { MdmError } from '@mdm/core/errors'
import { sqliteFault } from './sqlite-errors.ts'

/**
 * Kysely over Node's own SQLite, for a file that only its owner may read (0600; SQLite gives its -wal and -shm files the same
 * mode). Every commit is on the disk before it is answered.
 *
 * Values are text, integers, floats, null and Buffers; true and dates are the caller's to write as 1 and ISO text, so that the
 * same queries run on PostgreSQL.
 *
 * @param file path of the database, or ':memory:'
 * @param o `alone`: no other process may have it open so; `readOnly`: the file is there, and nothing can be written
 * @throws MDM_CONFIG when the file cannot be opened, MDM_CONFLICT when another process has it: at the first query; MDM_STORE when the
 *         disk does not take or give what a query wants: nothing of its transaction is kept, and it may be done again
 */
export function sqliteDialect(file: string, o: { alone?: boolean; readOnly?: boolean } = {}): Dialect {
  return new SqliteDialect({
    database: async () => {
      const lock = o.alone === true ? takeFile(`${file}.lock`) : undefined
      try {
        return adapt(o.readOnly === true ? openReadOnly(file) : open(file), () => lock?.close())
      } catch (error) {
        lock?.close()
        throw error
      }
    },
  })
}

/** How long a start waits for a process that is just ending, ms. */
const LOCK_MS = 2_000

/**
 * A second file that this process keeps locked: the system lets go of it when the process ends, however it does. The database
 * itself stays open to readers, such as a backup.
 */
function takeFile(file: string): DatabaseSync {
  let lock: DatabaseSync | undefined
  try {
    closeSync(openSync(file, 'a', 0o600))
    lock = new DatabaseSync(file, { timeout: LOCK_MS })
    lock.exec('begin exclusive')
    return lock
  } catch (cause) {
    lock?.close()
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY)
      throw new MdmError('MDM_CONFLICT', 'another process uses this store: stop it first')
    throw new MdmError('MDM_CONFIG', 'the store cannot be opened', { cause })
  }
}

/** https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5

function open(file: string): DatabaseSync {
  try {
    if (file !== ':memory:') {
      closeSync(openSync(file, 'a', 0o600))
      chmodSync(file, 0o600)
    }
    const database = new DatabaseSync(file, { timeout: 5_000 })
    database.exec('pragma journal_mode = wal')
    database.exec('pragma synchronous = full')
    database.exec('pragma foreign_keys = on')
    database.exec('pragma trusted_schema = off')
    return database
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the store cannot be opened', { cause })
  }
}

function openReadOnly(file: string): DatabaseSync {
  try {
    const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 })
    database.exec('pragma trusted_schema = off')
    return database
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the store cannot be opened', { cause })
  }
}

/** Prepared statements kept; preparing one costs more than running it. */
const MAX_STATEMENTS = 256

function adapt(database: DatabaseSync, closed: () => void): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>()
  return {
    close() {
      database.close()
      closed()
    },
    prepare(sql) {
      const known = prepared.get(sql)
      if (known !== undefined) return known
      const statement = guarded(() => adaptStatement(database, database.prepare(sql)))
      const [oldest] = prepared.keys()
      if (prepared.size >= MAX_STATEMENTS && oldest !== undefined) prepared.delete(oldest)
      prepared.set(sql, statement)
      return statement
    },
  }
}

/** Kysely asks `reader` to know whether rows come back: they do when the statement has columns. */
function adaptStatement(database: DatabaseSync, statement: StatementSync): SqliteStatement {
  const values = (parameters: readonly unknown[]) => parameters as SQLInputValue[]
  const isRollback = /^rollback$/i.test(statement.sourceSQL)
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => guarded(() => statement.all(...values(parameters)).map(withBuffers)),
    run(parameters) {
      // A full disk ends a transaction by itself; a second end would be an error that hides the first.
      if (isRollback && !database.isTransaction) return { changes: 0, lastInsertRowid: 0 }
      return guarded(() => statement.run(...values(parameters)))
    },
    *iterate(parameters) {
      for (const row of statement.iterate(...values(parameters))) yield withBuffers(row)
    },
  }
}

function guarded<Result>(act: () => Result): Result {
  try {
    return act()
  } catch (error) {
    throw sqliteFault(error)
  }
}

/** node:sqlite gives blobs as Uint8Array and rows without a prototype; drivers of other databases give Buffers and plain objects. */
function withBuffers(row: Record<string, unknown>): Record<string, unknown> {
  const plain: Record<string, unknown> = {}
  for (const name in row) {
    const value = row[name]
    plain[name] =
      value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value
  }
  return plain
}
