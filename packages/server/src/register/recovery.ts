import type { KeyServerPeer } from '@mdm/core/grid/key-servers'
import type { Kid } from '@mdm/core/names'
import type { SiteStore } from '../store/site-store.ts'
import type { Journal } from './journal.ts'
import { dropShares } from './key-servers.ts'

/**
 * Deletes from the key servers what unfinished registrations left there (I5). An attempt is forgotten only when every server has
 * confirmed; one that is down is asked again later.
 *
 * @param o `inFlight` are the keys this process is registering now
 * @returns how many attempts are left
 */
export async function dropUnfinished(o: {
  readonly db: SiteStore
  readonly journal: Journal
  readonly keyServers: readonly KeyServerPeer[]
  readonly inFlight: ReadonlySet<Kid>
  readonly signal: AbortSignal
}): Promise<number> {
  let left = 0
  for (const attempt of await o.journal.attempts()) {
    if (o.inFlight.has(attempt.kid)) continue
    const used = await o.db
      .selectFrom('versions')
      .select('guid')
      .where('kid', '=', attempt.kid)
      .executeTakeFirst()
    // The commit removes the attempt in its own transaction; were both there, the volume would count.
    const missing = used === undefined ? await dropShares(o.keyServers, attempt, o.signal) : []
    if (missing.length === 0) await o.journal.forget(attempt.kid)
    else left++
  }
  return left
}
