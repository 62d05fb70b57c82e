import { setTimeout as sleep } from 'node:timers/promises'
import type { Peer } from '@mdm/core/grid/http'
import { probe, type Probe } from '@mdm/core/grid/probe'

/** Reasons that a server which has just started gives, and takes back by itself once it has heard the others. */
const PASSING: ReadonlySet<string> = new Set(['catching-up', 'key-servers-below-threshold'])
/** How long these may last before they are a fault, ms: what a site says of its key servers is up to 5 s old. */
const PATIENCE_MS = 15_000
const AGAIN_MS = 250

/**
 * Looks at servers, and again at those that wait for others, until they are ready or `patienceMs` is over.
 * A check that follows a start thus tells what stays, not what was so in its first second.
 *
 * @returns one look at each, in their order
 */
export async function probeSettled(
  peers: readonly Peer[],
  { now, patienceMs = PATIENCE_MS }: { now?: (() => Date) | undefined; patienceMs?: number | undefined } = {},
): Promise<Probe[]> {
  const end = performance.now() + patienceMs
  return await Promise.all(
    peers.map(async (peer) => {
      let found = await probe(peer, now)
      while (isPassing(found) && performance.now() < end) {
        await sleep(AGAIN_MS)
        found = await probe(peer, now)
      }
      return found
    }),
  )
}

function isPassing({ health }: Probe): boolean {
  return health?.status === 'not ready' && health.reasons.every((reason) => PASSING.has(reason))
}
