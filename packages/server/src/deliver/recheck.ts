import type { Readable } from 'node:stream'

/** How often a transfer under way is looked at again, ms; a revoke must cut it within a minute. */
const RECHECK_MS = 15_000

/**
 * Cuts a transfer whose caller may no longer have it: revoked, banned or expired since it began, or the grant has ended.
 *
 * @param mayRead throws when he may not
 * @returns the body
 */
export function recheck(body: Readable, mayRead: () => Promise<void>, everyMs = RECHECK_MS): Readable {
  const timer = setInterval(() => {
    mayRead().catch((error: unknown) => void body.destroy(error as Error))
  }, everyMs)
  timer.unref()
  return body.once('close', () => clearInterval(timer))
}
