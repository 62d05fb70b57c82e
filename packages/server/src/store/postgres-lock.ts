import { setTimeout as sleep } from 'node:timers/promises'
import { MdmError } from '@mdm/core/errors'
import { storeFault } from './postgres-errors.ts'

/** 'MDM' as a number: the first half of every advisory lock of ours. */
const SPACE = 0x4d_44_4d
/** How long a start waits for the session of a process that just ended to go, ms. */
const WAIT_MS = 3_000
/** Between two tries, ms: at a start, and after the database was away. */
const START_AGAIN_MS = 25
const AGAIN_MS = 250
const HEARTBEAT_MS = 5_000

/** The part of a `pg` client that the lock needs. */
export interface LockSession {
  connect(): Promise<unknown>
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  end(): Promise<void>
  on(event: 'error' | 'end', listener: () => void): unknown
}

/** Says that this process alone uses the store; false while the connection that holds it is lost. */
export interface StoreLock {
  readonly held: boolean
  release(): Promise<void>
}

/**
 * Takes the store for this process: an advisory lock of a session that does nothing else. PostgreSQL lets go of it when the session
 * ends, however the process does. When the database was away, the lock is taken again by itself.
 *
 * @param o `returned` is called when it was: another process may have changed what this one remembers
 * @throws MDM_CONFLICT when another process has it
 * @throws MDM_STORE | MDM_CONFIG when the database cannot be reached
 */
export async function takeLock(
  open: () => LockSession,
  o: { kind: 1 | 2; returned?: (() => void) | undefined },
): Promise<StoreLock> {
  let current: LockSession | undefined
  let released = false

  const lost = (session: LockSession): void => {
    if (current !== session) return
    current = undefined
    void regain()
  }
  const attempt = async (): Promise<boolean> => {
    const session = open()
    session.on('error', () => lost(session))
    session.on('end', () => lost(session))
    try {
      await session.connect()
      const { rows } = await session.query('select pg_try_advisory_lock($1, $2) as mine', [SPACE, o.kind])
      if (rows[0]?.['mine'] === true && !released) {
        current = session
        return true
      }
    } catch (error) {
      void session.end().catch(() => undefined)
      throw storeFault(error).error
    }
    await session.end().catch(() => undefined)
    return false
  }
  const regain = async (): Promise<void> => {
    while (!released && current === undefined) {
      await sleep(AGAIN_MS, undefined, { ref: false })
      if (!released && (await attempt().catch(() => false))) o.returned?.()
    }
  }

  const end = performance.now() + WAIT_MS
  while (!(await attempt())) {
    if (performance.now() > end)
      throw new MdmError('MDM_CONFLICT', 'another process uses this store: stop it first')
    await sleep(START_AGAIN_MS)
  }
  // A cut cable sends no end: only asking tells.
  const heartbeat = setInterval(() => {
    const session = current
    session?.query('select 1').catch(() => {
      lost(session)
      void session.end().catch(() => undefined)
    })
  }, HEARTBEAT_MS)
  heartbeat.unref()
  return {
    get held() {
      return current !== undefined
    },
    async release() {
      released = true
      clearInterval(heartbeat)
      const session = current
      current = undefined
      await session?.end().catch(() => undefined)
    },
  }
}
