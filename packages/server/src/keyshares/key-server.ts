import type { KeyObject } from 'node:crypto'
import type { CrlFolder } from '@mdm/core/identity/crl/crl-folder'
import type { VomsFolder } from '@mdm/core/identity/voms/voms-folder'
import type { KeyServerId } from '@mdm/core/names'
import type { Audit } from '../audit/audit.ts'
import type { Rosters } from '../store/rosters.ts'
import type { BanFile } from './ban-file.ts'
import type { CatchUp } from './catch-up.ts'
import type { Db } from './share-store.ts'

/** What the handlers of a key server work with. */
export interface KeyServer {
  /** SHA-256 of the long-lived key; manifests name this server by it */
  readonly id: KeyServerId
  readonly db: Db
  /** encrypts the shares in the store */
  readonly storeKey: KeyObject
  readonly rosters: Rosters
  readonly bans: BanFile
  readonly crls: CrlFolder
  readonly voms: VomsFolder
  readonly audit: Audit
  now(): Date
}

/** A key server whose lists are compared with its witnesses' before anything is done by them. */
export interface ServingKeyServer extends KeyServer {
  readonly catchUp: CatchUp
}
