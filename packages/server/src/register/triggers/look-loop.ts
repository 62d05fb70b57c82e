import { setTimeout as sleep } from 'node:timers/promises'

/** Looks follow each other at least so far apart, ms, unless one says that there is more. */
const LEAST_GAP_MS = 1_000
/** A look that takes long rests as many times longer, so that hints never make a source do nothing else. */
const REST = 4
/** A source that failed is tried again after so long, ms; doubled each time, up to the second. */
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 15_000

/** Looks at a source again and again. */
export interface LookLoop {
  /** Brings the next look forward; many hints are one. */
  hint(): void
  /** Resolves when the look under way has ended. */
  ended: Promise<void>
}

/**
 * @param o `look` says whether there is more to be looked at now; `everyMs` lie between looks, `firstInMs` before the first;
 *          `failed` is told what a look threw, unless it was stopped
 */
export function lookAgain(o: {
  readonly look: (signal: AbortSignal) => Promise<'more' | 'all'>
  readonly everyMs: number
  readonly firstInMs: number
  readonly failed: (error: unknown) => void
  readonly signal: AbortSignal
}): LookLoop {
  const { signal } = o
  let hinted = Promise.withResolvers<void>()
  let failures = 0

  /** @returns ms until the next look, with and without a hint */
  const once = async (): Promise<{ atLeast: number; atMost: number }> => {
    const began = performance.now()
    try {
      const found = await o.look(signal)
      failures = 0
      if (found === 'more') return { atLeast: 0, atMost: 0 }
      const atLeast = Math.max(LEAST_GAP_MS, REST * (performance.now() - began))
      return { atLeast, atMost: Math.max(o.everyMs, atLeast) }
    } catch (error) {
      if (!signal.aborted) o.failed(error)
      const retry = Math.min(FIRST_RETRY_MS * 2 ** failures++, LAST_RETRY_MS)
      return { atLeast: retry, atMost: retry }
    }
  }

  const run = async (): Promise<void> => {
    let next = { atLeast: 0, atMost: o.firstInMs }
    while (!signal.aborted) {
      await pause(next.atLeast, signal)
      const rest = new AbortController()
      const either = AbortSignal.any([signal, rest.signal])
      await Promise.race([hinted.promise, pause(next.atMost - next.atLeast, either)])
      rest.abort()
      if (signal.aborted) return
      hinted = Promise.withResolvers<void>()
      next = await once()
    }
  }
  const ended = run()
  return { hint: () => hinted.resolve(), ended }
}

/** Waits; less when it is stopped. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined)
}
