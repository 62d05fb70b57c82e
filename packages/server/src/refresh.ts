import type { CrlFolder } from '@mdm/core/identity/crl/crl-folder'
import type { VomsFolder } from '@mdm/core/identity/voms/voms-folder'
import { createGlance } from './http/glance.ts'
import type { Log } from './http/log.ts'
import type { BanFile } from './keyshares/ban-file.ts'
import { userCasOf, type Rosters } from './store/rosters.ts'

/** How long a changed ban list, a newly accepted roster, a new revocation list or another VOMS server may go unseen, ms. */
const REFRESH_MS = 1_000

export interface RefreshOptions {
  readonly bans: BanFile
  readonly rosters: Rosters
  readonly crls: CrlFolder
  readonly voms: VomsFolder
  readonly log: Log
  now(): Date
  /** what else a look does; a throw refuses those who wait for it */
  also?(): Promise<void>
}

/**
 * Looks for changes of what decides who is let in, at most once in REFRESH_MS; every request waits for a look under way. What
 * cannot be read is logged, makes /health not ready, and leaves the last good state in force; only a VOMS server whose file
 * cannot be read is not trusted any more.
 */
export function createRefresh(o: RefreshOptions): () => Promise<void> {
  const { bans, rosters, crls, voms, log } = o
  return createGlance(REFRESH_MS, async () => {
    await Promise.all([bans.refresh(), rosters.refresh(), voms.refresh()])
    const cas = userCasOf(rosters)
    await crls.refresh(cas, o.now())
    if (!bans.readable) log.error({ event: 'ban-list-unreadable' })
    if (!rosters.readable) log.error({ event: 'rosters-unreadable' })
    if (crls.faults.length > 0) log.error({ event: 'crls-unreadable', counted: crls.faults.length })
    const without = crls.without(cas, o.now()).length
    if (without > 0) log.error({ event: 'crl-stale', counted: without })
    if (voms.faults.length > 0) log.error({ event: 'vomsdir-unreadable', counted: voms.faults.length })
    await o.also?.()
  })
}
