import { MdmError } from '@mdm/core/errors'

/** Primary result codes that say nothing against the query: https://www.sqlite.org/rescode.html */
const PASSING = new Map([
  [5, 'SQLITE_BUSY'],
  [6, 'SQLITE_LOCKED'],
  [7, 'SQLITE_NOMEM'],
  [8, 'SQLITE_READONLY'],
  [10, 'SQLITE_IOERR'],
  [13, 'SQLITE_FULL'],
  [14, 'SQLITE_CANTOPEN'],
])

/**
 * Translates an error of SQLite: a disk that is full or broken, a process without descriptors, another that holds the file. SQLite
 * has ended the transaction then, and goes on once the disk is good again.
 *
 * @returns MDM_STORE for what may pass, else the error as it is
 */
export function sqliteFault(error: unknown): unknown {
  const { errcode } = (error ?? {}) as { errcode?: unknown }
  const name = typeof errcode === 'number' ? PASSING.get(errcode & 0xff) : undefined
  if (name === undefined) return error
  return new MdmError('MDM_STORE', 'the database of the server cannot be read or written now', {
    cause: new Error(name),
  })
}
