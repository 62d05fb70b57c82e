import {
  getHealth,
  getRosters,
  getStatements,
  getWhoami,
  postRoster,
  postStatement,
} from '@mdm/core/wire/common'
import {
  deleteShares as deleteSharesContract,
  getHeldKeys,
  getShares,
  putShare as putShareContract,
} from '@mdm/core/wire/key-server'
import { getHeads } from '@mdm/core/wire/witness'
import type { App } from '../http/app.ts'
import type { Health } from '../http/health.ts'
import { route } from '../http/route.ts'
import { whoamiOf } from '../http/whoami.ts'
import { deleteShares } from './delete-shares.ts'
import type { ServingKeyServer } from './key-server.ts'
import { readHeads } from './heads.ts'
import { readHeldKeys } from './held-keys.ts'
import { putShare } from './put-share.ts'
import { releaseShares } from './release.ts'
import { acceptNextRoster, readRosters } from './rosters.ts'
import { sitesOf } from './standing.ts'
import { acceptStatement, readStatements } from './statements.ts'

/** The endpoints of a key server (paper 3.3); this folder's README has their steps and errors. */
export function keyServerRoutes(app: App, server: ServingKeyServer, health: () => Promise<Health>): void {
  route(app, putShareContract, (c) => putShare(server, c))
  route(app, getShares, (c) => releaseShares(server, c))
  route(app, deleteSharesContract, (c) => deleteShares(server, c))
  route(app, getStatements, (c) => readStatements(server, c))
  route(app, postStatement, (c) => acceptStatement(server, c))
  route(app, getHeldKeys, (c) => readHeldKeys(server, c))
  route(app, getHeads, (c) => readHeads(server, c))
  route(app, getRosters, (c) => readRosters(server, c))
  route(app, postRoster, (c) => acceptNextRoster(server, c))
  route(app, getWhoami, async ({ caller, chain }) => whoamiOf(caller, sitesOf(server, chain)))
  route(app, getHealth, health)
}
