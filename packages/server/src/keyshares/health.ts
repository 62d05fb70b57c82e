import { createGlance, inTime } from '../http/glance.ts'
import { healthOf, reasonsOf, type Health } from '../http/health.ts'
import { userCasOf } from '../store/rosters.ts'
import { storeAnswers } from '../store/store-answers.ts'
import { CATCHING_UP } from './catch-up.ts'
import type { ServingKeyServer } from './key-server.ts'

/** How long a look at the store is good for, and how long it may take, ms. */
const LOOK_MS = 1_000
const STORE_MS = 2_000

/** Whether a key server can take and release shares. */
export function keyServerHealth(server: ServingKeyServer, stopping: () => boolean): () => Promise<Health> {
  const storeThere = createGlance(LOOK_MS, () => inTime(storeAnswers(server.db), STORE_MS, false))
  return async () =>
    healthOf(
      reasonsOf({
        'audit-unwritable': !server.audit.writable,
        'ban-list-unreadable': !server.bans.readable,
        'rosters-unreadable': !server.rosters.readable,
        'crls-unreadable': server.crls.faults.length > 0,
        'crl-stale': server.crls.without(userCasOf(server.rosters), server.now()).length > 0,
        'vomsdir-unreadable': server.voms.faults.length > 0,
        'no-roster': server.rosters.current().length === 0,
        'store-unreachable': !(await storeThere()),
        [CATCHING_UP]: !server.catchUp.isServingAll(),
        stopping: stopping(),
      }),
    )
}
