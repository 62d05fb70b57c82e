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
  const left = await Promise.all(
    (await o.journal.attempts()).map(async (attempt) => {
      if (o.inFlight.has(attempt.kid)) return false
      // Waits for a commit that was cut off from its client and is still under way; it takes the row with it.
      const { numUpdatedRows } = await o.db
        .updateTable('attempts')
        .set({ guid: attempt.guid })
        .where('kid', '=', attempt.kid)
        .executeTakeFirst()
      if (numUpdatedRows === 0n) return false
      const used = await o.db
        .selectFrom('versions')
        .select('guid')
        .where('kid', '=', attempt.kid)
        .executeTakeFirst()
      // The commit removes the attempt in its own transaction; were both there, the volume would count.
      const missing = used === undefined ? await dropShares(o.keyServers, attempt, o.signal) : []
      if (missing.length > 0) return true
      await o.journal.forget(attempt.kid)
      return false
    }),
  )
  return left.filter(Boolean).length
}
