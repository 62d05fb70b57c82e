import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely, Transaction } from 'kysely'
import { isConflict } from './postgres-errors.ts'

/** How often a transaction is done again that met another one. */
const MAX_ATTEMPTS = 8

const queues = new WeakMap<object, Promise<unknown>>()

/**
 * Does work in one serializable transaction: all of it or nothing, and what it has read still holds when it commits. Transactions
 * of one process follow one another, on PostgreSQL as on SQLite; one that meets the change of somebody else is done again.
 *
 * @param work may run several times: what it does beside its queries must bear that
 * @throws MDM_STORE when the database was lost; then it is unknown whether the transaction was committed
 */
export function inTransaction<Schema, Result>(
  db: Kysely<Schema>,
  work: (trx: Transaction<Schema>) => Promise<Result>,
): Promise<Result> {
  const next = (queues.get(db) ?? Promise.resolve()).then(() => attempt(db, work))
  queues.set(
    db,
    next.catch(() => undefined),
  )
  return next
}

async function attempt<Schema, Result>(
  db: Kysely<Schema>,
  work: (trx: Transaction<Schema>) => Promise<Result>,
): Promise<Result> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await db.transaction().setIsolationLevel('serializable').execute(work)
    } catch (error) {
      if (!isConflict(error) || attempts >= MAX_ATTEMPTS) throw error
      await sleep(Math.random() * 5 * 2 ** attempts)
    }
  }
}
