import { METHODS } from 'node:http'
import { ERRORS, type ErrorCode } from '@mdm/core/errors'
import type { Registry } from './registry.ts'

/** Bounds of the histogram of durations, seconds: an answer from memory up to a whole volume. */
const BUCKETS = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60]

/** What the listener tells of its requests. */
export interface RequestMetrics {
  /** one more route that it serves: the pattern, never a URL */
  serves(route: string): void
  /** one request is over; status 0 when the connection was cut before the answer was whole */
  done(request: { method: string; route: string | undefined; status: number; ms: number }): void
  refused(code: ErrorCode): void
}

export function measureRequests(registry: Registry): RequestMetrics {
  const route = new Set<string>()
  const allowed = { route, class: ['2xx', '4xx', '5xx', 'cut'] }
  const requests = registry.counter('mdm_http_requests_total', 'Requests that are over.', {
    method: METHODS,
    ...allowed,
  })
  const seconds = registry.histogram(
    'mdm_http_request_seconds',
    'Time from request to the end of its answer.',
    {
      buckets: BUCKETS,
      allowed: { route },
    },
  )
  const refusals = registry.counter('mdm_refusals_total', 'Requests answered with an error.', {
    code: Object.keys(ERRORS),
  })
  return {
    serves: (pattern) => void route.add(pattern),
    done({ method, route = '', status, ms }) {
      requests.add({ method, route, class: status === 0 ? 'cut' : `${Math.floor(status / 100)}xx` })
      seconds.observe(ms / 1000, { route })
    },
    refused: (code) => refusals.add({ code }),
  }
}
