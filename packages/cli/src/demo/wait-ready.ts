import { setTimeout as sleep } from 'node:timers/promises'
import { openSession } from '@mdm/core/access/session'
import { loadConfig } from '@mdm/core/config'
import { MdmError } from '@mdm/core/errors'
import { probe } from '@mdm/core/grid/probe'

const READY_MS = 30_000
const POLL_MS = 50

/**
 * Waits until every key server serves: one that starts asks the others for news first, and what is registered meanwhile waits.
 *
 * @param config configuration of a user of the grid
 * @throws MDM_UNREACHABLE when one is not ready within 30 s
 */
export async function waitReady(config: string, signal: AbortSignal): Promise<void> {
  const session = await openSession(await loadConfig({ config }, {}))
  try {
    let waiting = session.keyServers
    for (const deadline = Date.now() + READY_MS; waiting.length > 0;) {
      if (Date.now() > deadline)
        throw new MdmError('MDM_UNREACHABLE', `${waiting.length} key servers of the demo do not get ready`)
      const looks = await Promise.all(waiting.map(({ peer }) => probe(peer)))
      waiting = waiting.filter((_, i) => looks[i]!.health?.status !== 'ready')
      if (waiting.length > 0) await sleep(POLL_MS, undefined, { signal })
    }
  } finally {
    await session.close()
  }
}
