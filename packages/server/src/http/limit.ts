import { MdmError } from '@mdm/core/errors'

/** A token bucket per caller. */
export interface Limiter {
  /** @throws MDM_LIMIT when the caller's bucket is empty */
  take(key: string): void
}

interface Bucket {
  tokens: number
  at: number
}

/** Callers remembered; a caller that asks nothing for long has a full bucket, which is what an unknown one gets. */
const MAX_BUCKETS = 10_000

/**
 * @param rate requests per second a bucket fills by, and how many it holds
 * @param o    `now` is the clock in milliseconds
 */
export function createLimiter(
  rate: { perSecond: number; burst: number },
  o: { now?: () => number } = {},
): Limiter {
  const now = o.now ?? (() => performance.now())
  const buckets = new Map<string, Bucket>()
  return {
    take(key) {
      const at = now()
      const before = buckets.get(key) ?? { tokens: rate.burst, at }
      const tokens = Math.min(rate.burst, before.tokens + ((at - before.at) / 1000) * rate.perSecond)
      // Moved to the end, so that the first of the map is the one that was silent longest.
      buckets.delete(key)
      buckets.set(key, { tokens: Math.max(0, tokens - 1), at })
      const [oldest] = buckets.keys()
      if (buckets.size > MAX_BUCKETS && oldest !== undefined) buckets.delete(oldest)
      if (tokens < 1) throw new MdmError('MDM_LIMIT')
    },
  }
}
