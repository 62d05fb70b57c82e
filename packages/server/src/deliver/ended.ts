import type { Guid, Version } from '@mdm/core/names'
import { reportOf, type Preparation, type PreparationReport } from './preparation.ts'

/** How long the end of a preparation is known to those whose stream was cut, ms (FLOW 2.6). */
const KNOWN_MS = 10 * 60_000
/** Ends remembered at most; the oldest go first. */
const MOST = 10_000

interface End {
  readonly guid: Guid
  readonly version: Version
  readonly report: PreparationReport
  readonly untilMs: number
}

/** The ends of preparations, so that a client with a short body learns why. */
export interface Ended {
  add(preparation: Preparation): void
  find(guid: Guid, etag: string): { version: Version; report: PreparationReport } | undefined
}

export function createEnded(now: () => Date): Ended {
  const ends = new Map<string, End>()
  function prune(): void {
    for (const [etag, end] of ends) {
      if (end.untilMs > now().getTime() && ends.size <= MOST) return
      ends.delete(etag)
    }
  }
  return {
    add(preparation) {
      // before it had a message id nobody can ask for it: the answer itself said the code
      if (preparation.container === undefined) return
      const { guid, version } = preparation.key
      ends.set(preparation.container.etag, {
        guid,
        version,
        report: reportOf(preparation),
        untilMs: now().getTime() + KNOWN_MS,
      })
      prune()
    },
    find(guid, etag) {
      prune()
      const end = ends.get(etag)
      return end === undefined || end.guid !== guid ? undefined : { version: end.version, report: end.report }
    },
  }
}
