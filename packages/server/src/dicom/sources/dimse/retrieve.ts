import { MdmError } from '@mdm/core/errors'
import { seriesKey } from '../../same-series.ts'
import type { Purpose, SeriesRef, StoredObject } from '../../source.ts'
import type { Arrivals } from '../arrivals.ts'
import type { Associations, Lease } from './associations.ts'
import { byObject, bySeries } from './c-get.ts'
import { byMove } from './c-move.ts'
import type { Method, Methods } from './methods.ts'
import type { Retrieval } from './retrieval.ts'
import { Sought, type KnownClasses } from './seek.ts'

/** What retrieving from one source needs, and what it learns. */
export interface Retrieving {
  readonly name: string
  readonly associations: Associations
  readonly methods: Methods
  readonly known: KnownClasses
  /** where the peer can send to, if the site has a listener that takes something from it */
  readonly arrivals?: Arrivals | undefined
}

export interface Wanted<T> {
  /** objects to bring; all of the series where absent */
  readonly sops?: readonly string[] | undefined
  readonly purpose: Purpose
  readonly signal?: AbortSignal | undefined
  /** true: every method is tried for what did not come, and it is an error when that is not enough */
  readonly complete: boolean
  /** false where the taker reads each object before it asks for the next */
  readonly ahead: boolean
  /** Makes of an object what is wanted; undefined where it is of no use. */
  take(object: StoredObject): T | undefined | Promise<T | undefined>
}

/**
 * Brings objects of a series, each once, by the first method that works. Where a method brings nothing the next one is tried
 * at once; where it brings a part, or breaks off, the next attempt begins with the next one (FLOW 2.5).
 *
 * @throws MDM_NOT_FOUND for an unknown series | MDM_SOURCE_UNREACHABLE | MDM_SOURCE_REFUSED | MDM_SOURCE_INCOMPLETE
 */
export async function* retrieve<T>(s: Retrieving, ref: SeriesRef, o: Wanted<T>): AsyncGenerator<T> {
  if (o.sops?.length === 0) return
  const leaving = new AbortController()
  const signal = o.signal === undefined ? leaving.signal : AbortSignal.any([o.signal, leaving.signal])
  const sought = new Sought({ source: s.name, ref, sops: o.sops, known: s.known })
  const { missing } = sought
  const key = seriesKey(ref)
  let lease = await s.associations.lease(o.purpose, sought.classes, signal)
  /** The one we have, or one on which these classes can come. */
  const association = async (): Promise<Lease> => {
    if (lease.association.isOpen && lease.covers(sought.classes)) return lease
    await lease.done()
    return (lease = await s.associations.lease(o.purpose, sought.classes, signal))
  }
  let left = true
  try {
    await sought.look(lease.association, { all: o.sops === undefined })
    const methods = s.methods.orderFor(key)
    const barren: Method[] = []
    let fault: unknown
    while (missing.size > 0 && methods.length > 0) {
      const method = methods[0]!
      const before = missing.size
      try {
        const { purpose, ahead, take } = o
        const r = { ref, missing, classes: sought.classes, purpose, signal, ahead, take }
        yield* bring(s, method, r, await association())
      } catch (error) {
        o.signal?.throwIfAborted()
        // A broken connection says nothing of the others: whoever asks again begins with the next.
        s.methods.failed(key, method)
        if (!endsOnlyItself(error)) throw error
        fault = error
      }
      o.signal?.throwIfAborted()
      if (missing.size > 0 && (await sought.lookAgain((await association()).association))) continue
      if (missing.size === 0) break
      methods.shift()
      s.methods.failed(key, method)
      if (missing.size === before) barren.push(method)
      else if (!o.complete) break
    }
    if (missing.size === 0) {
      s.methods.worked(key)
      s.methods.putLast(barren)
    } else if (missing.size === sought.promised && fault !== undefined) throw fault
    else if (o.complete) throw incomplete(s.name, sought)
    left = false
  } catch (error) {
    o.signal?.throwIfAborted()
    throw error
  } finally {
    if (left) leaving.abort()
    await lease.done()
  }
}

function bring<T>(s: Retrieving, method: Method, r: Retrieval<T>, lease: Lease): AsyncIterable<T> {
  if (method === 'c-get') return byObject(r, lease, s.associations)
  if (method === 'c-get-series' || s.arrivals === undefined) return bySeries(r, lease)
  return byMove(r, lease, { source: s.name, arrivals: s.arrivals })
}

/** True when the operation ended with a status, or could not begin: another one may still do. */
function endsOnlyItself(error: unknown): boolean {
  return error instanceof MdmError && ['status', 'no-context'].includes(String(error.details['dimse']))
}

function incomplete(name: string, { missing, promised }: Sought): MdmError {
  const message = `source ${name}: ${missing.size} of ${promised} objects of a series did not come`
  return new MdmError('MDM_SOURCE_INCOMPLETE', message, {
    details: { missing: missing.size, objects: promised },
  })
}
