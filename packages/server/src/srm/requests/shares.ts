import { MdmError } from '@mdm/core/errors'

/** How much of the spool each caller takes; a volume that he asked for twice counts once. */
export interface Shares {
  /**
   * Takes room for a volume, now or when its owner has let go of others: then `granted` is called.
   *
   * @returns what gives the room, or the place in the queue, back
   * @throws MDM_SPOOL_FULL when it alone is larger than a share
   */
  take(owner: string, volume: { name: string; bytes: number }, granted: () => void): () => void
}

interface Taker {
  usedBytes: number
  readonly volumes: Map<string, { readonly bytes: number; files: number }>
  readonly waiting: Set<Waiting>
}

interface Waiting {
  readonly name: string
  readonly bytes: number
  readonly granted: () => void
}

/** @param limit bytes of the spool for each owner */
export function createShares(limit: number): Shares {
  const takers = new Map<string, Taker>()

  function add(taker: Taker, { name, bytes }: Waiting): boolean {
    const known = taker.volumes.get(name)
    if (known !== undefined) known.files++
    else if (taker.usedBytes + bytes > limit) return false
    else {
      taker.usedBytes += bytes
      taker.volumes.set(name, { bytes, files: 1 })
    }
    return true
  }

  function leave(taker: Taker, name: string): void {
    const known = taker.volumes.get(name)!
    if (--known.files > 0) return
    taker.volumes.delete(name)
    taker.usedBytes -= known.bytes
    grant(taker)
  }

  function grant(taker: Taker): void {
    // In order: a large volume is not overtaken for ever by small ones.
    for (const next of [...taker.waiting]) {
      if (!taker.waiting.has(next)) continue
      if (!add(taker, next)) return
      taker.waiting.delete(next)
      next.granted()
    }
  }

  return {
    take(owner, { name, bytes }, granted) {
      if (bytes > limit)
        throw new MdmError(
          'MDM_SPOOL_FULL',
          `a volume of ${bytes} bytes is larger than your part of the spool`,
        )
      const taker: Taker = takers.get(owner) ?? { usedBytes: 0, volumes: new Map(), waiting: new Set() }
      takers.set(owner, taker)
      const wanted: Waiting = { name, bytes, granted }
      if ((taker.waiting.size === 0 || taker.volumes.has(name)) && add(taker, wanted)) granted()
      else taker.waiting.add(wanted)
      let taken = true
      return () => {
        if (!taken) return
        taken = false
        if (taker.waiting.delete(wanted)) grant(taker)
        else leave(taker, name)
        if (taker.volumes.size === 0 && taker.waiting.size === 0 && takers.get(owner) === taker)
          takers.delete(owner)
      }
    },
  }
}
