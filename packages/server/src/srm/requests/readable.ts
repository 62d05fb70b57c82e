import { MdmError, type ErrorCode } from '@mdm/core/errors'
import { requireStillReadable, type Rights } from './admit.ts'
import type { KnownFile } from './known-request.ts'

/** A right that was looked at so lately is not looked at again, ms. */
const CHECKED_MS = 15_000

/** Looks again at the rights to files that were waited for. */
export interface Readable {
  /** @throws MDM_NOT_FOUND | MDM_DENIED | MDM_GONE | MDM_BANNED */
  require(file: KnownFile): Promise<void>
  /** Lets go of a file that waited for long, or over a restart, if the right to it has gone meanwhile. */
  look(file: KnownFile): void
  /** Waits for what is being looked at. */
  close(): Promise<void>
}

export function createReadable(
  o: Rights & { now(): Date; letGo(file: KnownFile, code: ErrorCode): void },
): Readable {
  let closed = false
  // One at a time: a thousand may come at once, after a restart.
  let looking = Promise.resolve()

  async function require(file: KnownFile): Promise<void> {
    const now = o.now()
    if (now.getTime() - file.checkedMs < CHECKED_MS) return
    await requireStillReadable(o, file.request.caller, file.volume!, now)
    file.checkedMs = now.getTime()
  }

  async function letGoUnreadable(file: KnownFile): Promise<void> {
    try {
      if (!closed && file.state === 'READY') await require(file)
    } catch (error) {
      // That the store does not answer is no word of the right.
      if (error instanceof MdmError && error.status < 500) o.letGo(file, error.code)
    }
  }

  return {
    require,
    look: (file) => void (looking = looking.then(() => letGoUnreadable(file))),
    async close() {
      closed = true
      await looking
    },
  }
}
