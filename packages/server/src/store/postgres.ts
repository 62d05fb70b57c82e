import { PostgresDialect, PostgresQueryCompiler, type Dialect, type PostgresPool } from 'kysely'
import type { DataTypeNode, PostgresPoolClient } from 'kysely'
import type { ClientConfig, PoolClient } from 'pg'
import { MdmError } from '@mdm/core/errors'
import { storeFault } from './postgres-errors.ts'
import { takeLock, type StoreLock } from './postgres-lock.ts'

/** Connections of one process; more than a site of one hospital has use for. */
const CONNECTIONS = 10
/** Time-outs, ms: an answer from the database, ours for a database that is silent, and what it allows itself. */
const CONNECT_MS = 5_000
const SILENT_MS = 15_000
const STATEMENT_MS = 10_000

/** OID of int8, which `pg` gives as text; byte counts and counters stay below 2^53. */
const INT8 = 20

export interface PostgresOptions {
  /** this process must be the only one of its kind on the store: 1 a site, 2 a key server */
  readonly alone?: 1 | 2 | undefined
  /** called when the database was away and may have been used by another process */
  readonly returned?: (() => void) | undefined
  /** nothing can be written */
  readonly readOnly?: boolean | undefined
}

/** True for a URL of PostgreSQL; everything else in the field `store` is a path. */
export function isPostgresUrl(store: string): boolean {
  return /^postgres(?:ql)?:\/\//i.test(store)
}

/**
 * Kysely over PostgreSQL, with the meaning that SQLite gives to the same schema: text is ordered and compared by its bytes, whatever
 * the locale of the database, blobs are Buffers and whole numbers are numbers. A commit is on the disk before it is answered.
 *
 * @param url `postgres://user@host/database`; the password belongs into ~/.pgpass or PGPASSWORD
 * @throws MDM_CONFIG for a URL that is none, or a refused login; MDM_STORE when the database does not answer; MDM_CONFLICT when
 *         another process uses it: all at the first query
 */
export function postgresDialect(url: string, o: PostgresOptions = {}): Dialect {
  return new SameSchemaDialect({ pool: async () => await openPool(url, o) })
}

class SameSchemaDialect extends PostgresDialect {
  override createQueryCompiler(): PostgresQueryCompiler {
    return new SameSchemaCompiler()
  }
}

class SameSchemaCompiler extends PostgresQueryCompiler {
  protected override visitDataType(node: DataTypeNode): void {
    if (node.dataType === 'blob') this.append('bytea')
    else if (node.dataType === 'text') this.append('text collate "C"')
    else super.visitDataType(node)
  }
}

async function openPool(url: string, o: PostgresOptions): Promise<PostgresPool> {
  const { default: pg } = await import('pg')
  const settings: ClientConfig = {
    connectionString: url,
    application_name: 'mdm-server',
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: SILENT_MS,
    statement_timeout: STATEMENT_MS,
    lock_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: 2 * SILENT_MS,
    keepAlive: true,
    options: `-c synchronous_commit=on -c default_transaction_read_only=${o.readOnly === true ? 'on' : 'off'}`,
    types: {
      getTypeParser: ((oid: number, format?: 'text') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
    },
  }
  const client = () => {
    try {
      return new pg.Client(settings)
    } catch {
      // The error quotes the URL, and a URL may hold a password.
      throw new MdmError('MDM_CONFIG', 'the field "store" is no URL of a PostgreSQL database')
    }
  }
  client()
  const { alone: kind, returned } = o
  const lock = kind === undefined ? undefined : await takeLock(client, { kind, returned })
  const pool = new pg.Pool({ ...settings, max: CONNECTIONS })
  // Without a listener the end of a connection would be the end of the process; its next query tells.
  pool.on('error', () => undefined)
  pool.on('connect', (opened) => opened.on('error', () => undefined))
  const guarded = new WeakMap<PoolClient, PostgresPoolClient>()
  return {
    options: {},
    async connect() {
      if (lock?.held === false) throw new MdmError('MDM_STORE')
      const opened = await pool.connect().catch((error: unknown) => {
        throw storeFault(error).error
      })
      const known = guarded.get(opened) ?? guard(opened, lock)
      guarded.set(opened, known)
      return known
    },
    async end() {
      await lock?.release()
      await pool.end()
    },
  }
}

/** A connection whose errors are ours, and which never returns to the pool after a fault that may have left something in it. */
function guard(client: PoolClient, lock: StoreLock | undefined): PostgresPoolClient {
  let broken = false
  const query = async (sql: string, parameters: readonly unknown[]) => {
    // Who has lost the store in the middle of a transaction must not commit it.
    if (lock?.held === false && sql !== 'rollback') throw new MdmError('MDM_STORE')
    try {
      return await client.query(sql, [...parameters])
    } catch (error) {
      const fault = storeFault(error)
      broken ||= fault.broken
      throw fault.error
    }
  }
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release: (discard) => client.release(broken || discard === true),
  }
}
