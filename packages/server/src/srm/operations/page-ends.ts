import type { Caller } from '@mdm/core/identity/identify'
import type { Guid } from '@mdm/core/names'

/** Ends remembered, of all callers together; the oldest goes first. */
const MAX_ENDS = 10_000

/**
 * Where the pages of a listing ended. SRM counts entries, which come and go while a client pages; a page that follows another
 * begins after its last GUID instead, so that nothing is shown twice or left out.
 */
export interface PageEnds {
  /** The GUID that comes before entry `offset` of a caller's list, where a page ended there. */
  find(caller: Caller, offset: number): Guid | undefined
  note(caller: Caller, offset: number, last: Guid): void
}

export function createPageEnds(): PageEnds {
  const ends = new Map<string, Guid>()
  const keyOf = (caller: Caller, offset: number) => `${offset} ${caller.spki} ${caller.dn} ${caller.issuer}`
  return {
    find: (caller, offset) => ends.get(keyOf(caller, offset)),
    note(caller, offset, last) {
      const key = keyOf(caller, offset)
      ends.delete(key)
      ends.set(key, last)
      const [oldest] = ends.keys()
      if (ends.size > MAX_ENDS && oldest !== undefined) ends.delete(oldest)
    },
  }
}
