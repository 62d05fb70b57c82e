import type { Associations, Lease } from './associations.ts'
import { merge } from './merge.ts'
import { wanted, type Retrieval } from './retrieval.ts'

/** More associations bring no more (measured with servers of DCMTK). */
const MOST_ASSOCIATIONS = 4
/** Objects of the first request: enough to tell whether the peer stalls. */
const TRIED = 12
/** A peer that takes longer for one object waits for something else than its disk; several at once hide it. */
const STALLED_MS = 15
/** Objects of each request, once it is known that it does not stall (some 30 KiB of UIDs), or that it does. */
const MANY = 500
const FEW = 10

/**
 * C-GET of objects by their UIDs on one association, and on up to four when that one stalls: small packets of servers that
 * leave Nagle's algorithm on wait for an acknowledgement that a kernel without TCP_QUICKACK delays, 40 ms for each object.
 */
export async function* byObject<T>(
  r: Retrieval<T>,
  lease: Lease,
  associations: Associations,
): AsyncGenerator<T> {
  const left = [...r.missing]
  const merged = merge<T>({ ahead: r.ahead })
  let at = TRIED

  const get = async function* (on: Lease): AsyncGenerator<T> {
    while (left.length > 0) {
      const sops = left.splice(0, at)
      const began = performance.now()
      yield* wanted(r, on.association.get({ level: 'IMAGE', ...r.ref, sops }))
      if (at !== TRIED) continue
      at = performance.now() - began > STALLED_MS * sops.length ? FEW : MANY
      if (at === FEW) share()
    }
  }
  const share = (): void => {
    const most = Math.min(MOST_ASSOCIATIONS, Math.ceil(left.length / FEW))
    for (let n = 1; n < most; n++) {
      const more = associations.tryLease(r.purpose, r.classes, r.signal)
      if (more === undefined) return
      merged.add(getOn(more))
    }
  }
  const getOn = async function* (opening: Promise<Lease>): AsyncGenerator<T> {
    // One that is not to be had leaves its share to the others.
    const on = await opening.catch(() => undefined)
    if (on === undefined) return
    try {
      yield* get(on)
    } finally {
      await on.done()
    }
  }
  merged.add(get(lease))
  yield* merged
}

/** C-GET of the whole series on one association, for servers that take no list of UIDs (CTN). */
export async function* bySeries<T>(r: Retrieval<T>, lease: Lease): AsyncGenerator<T> {
  yield* wanted(r, lease.association.get({ level: 'SERIES', ...r.ref }))
}
