import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS, MdmError, type ErrorCode } from '../errors.ts'

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 8_000

/** Worth another attempt even before a byte came: the site itself or its database is away, or it says "later" or "no room". */
const AT_THE_DOOR = new Set<ErrorCode>(['MDM_UNREACHABLE', 'MDM_SPOOL_FULL', 'MDM_LIMIT', 'MDM_STORE'])

/** What a key server says of itself that ends by itself. */
const PASSING = new Set<unknown>(['MDM_STORE', 'MDM_CATCHING_UP'] satisfies ErrorCode[])

/** One more attempt that is about to be made. */
export interface Retry {
  /** of the failure that it follows */
  readonly code: ErrorCode
  /** number of the attempt that comes, 2 for the first repetition */
  readonly attempt: number
  readonly attempts: number
  readonly waitMs: number
}

export interface RetryOptions {
  /** attempts after the first one */
  readonly retries: number
  /** true once bytes of this transfer have come */
  received(): boolean
  readonly onRetry?: ((retry: Retry) => void) | undefined
  /** ends the waiting at once */
  readonly signal?: AbortSignal | undefined
  readonly random?: () => number
  /** how waiting is done; by the clock unless told */
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>
}

/**
 * Works until it succeeds, fails for good, or has used its attempts: 1, 2, 4, then 8 s apart, each shortened by up to
 * half at random, so that many clients do not come back at one moment.
 *
 * @throws the last failure
 */
export async function retrying<T>(work: () => Promise<T>, o: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt > o.retries || o.signal?.aborted === true || !isPassing(error, o.received())) throw error
      const waitMs =
        Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)) * (1 - (o.random ?? Math.random)() / 2)
      o.onRetry?.({ code: error.code, attempt: attempt + 1, attempts: o.retries + 1, waitMs })
      await (o.wait ?? pause)(waitMs, o.signal)
      o.signal?.throwIfAborted()
    }
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  // Why it was cut short is said by the signal itself.
  await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {})
}

function isPassing(error: unknown, received: boolean): error is MdmError {
  if (!(error instanceof MdmError) || !ERRORS[error.code].retry || neverFits(error)) return false
  return received || AT_THE_DOOR.has(error.code) || isPassingAtKeyServers(error)
}

/** A volume that is larger than the whole spool of its site. */
function neverFits({ code, details: { neededBytes, limitBytes } }: MdmError): boolean {
  return code === 'MDM_SPOOL_FULL' && Number(neededBytes) > Number(limitBytes)
}

/** Too few key servers, one of which says itself that only its database is away, or that it has just started. */
function isPassingAtKeyServers({ code, details }: MdmError): boolean {
  const { faults } = details
  return (
    code === 'MDM_BELOW_THRESHOLD' &&
    Array.isArray(faults) &&
    faults.some((fault: { code?: unknown } | null) => PASSING.has(fault?.code))
  )
}
