import { MdmError } from '@mdm/core/errors'

/** The bytes the spool folder may hold; reservations are made before a byte is written (FLOW 2.1). */
export interface Quota {
  readonly used: number
  /** @throws MDM_SPOOL_FULL when there is no room even after what nobody reads has gone */
  reserve(bytes: number): void
  release(bytes: number): void
}

/**
 * @param limit bytes
 * @param evict lets go of the least recently read sealed container, which releases its bytes; false when there is none
 */
export function createQuota(limit: number, evict: () => boolean): Quota {
  let used = 0
  return {
    get used() {
      return used
    },
    reserve(bytes) {
      // what can never fit must not empty the spool first
      const full = () =>
        new MdmError('MDM_SPOOL_FULL', `a preparation needs ${bytes} bytes of spool, the limit is ${limit}`, {
          details: { neededBytes: bytes, limitBytes: limit },
        })
      if (bytes > limit) throw full()
      while (used + bytes > limit) if (!evict()) throw full()
      used += bytes
    },
    release(bytes) {
      used -= bytes
    },
  }
}
