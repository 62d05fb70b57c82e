import type { Arrivals } from '../arrivals.ts'
import type { Lease } from './associations.ts'
import { wanted, type Retrieval } from './retrieval.ts'

/**
 * C-MOVE of the whole series to the site's own listener, which the peer has to know by title, host and port. What arrives is
 * taken only if it was asked for, and comes from who may push for this source.
 *
 * @throws MDM_SOURCE_INCOMPLETE
 */
export async function* byMove<T>(
  r: Retrieval<T>,
  lease: Lease,
  o: { source: string; arrivals: Arrivals },
): AsyncGenerator<T> {
  const expected = o.arrivals.expect(o.source, r.missing)
  const gone = () => expected.end(r.signal.reason)
  r.signal.addEventListener('abort', gone, { once: true })
  // Every object is answered, so read, before the last response comes.
  lease.association.move({ level: 'SERIES', ...r.ref, destination: o.arrivals.ae }).then(
    () => expected.end(),
    (error: unknown) => expected.end(error),
  )
  try {
    r.signal.throwIfAborted()
    yield* wanted(r, expected)
  } finally {
    expected.end()
    r.signal.removeEventListener('abort', gone)
  }
}
