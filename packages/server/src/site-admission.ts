import type { X509Certificate } from 'node:crypto'
import { MdmError } from '@mdm/core/errors'
import type { Revocations } from '@mdm/core/identity/crl/revocations'
import { identify, type Caller } from '@mdm/core/identity/identify'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { VomsServers } from '@mdm/core/identity/voms/voms-servers'
import type { Groups } from './catalog/groups.ts'
import type { BanFile } from './keyshares/ban-file.ts'
import { isBannedHere } from './keyshares/site-groups.ts'
import { isRecalling } from './register/recall.ts'
import type { SiteStore } from './store/site-store.ts'

/** Who a site answers, asked for every request and again while a transfer runs. */
export interface Admission {
  /** @throws MDM_UNAUTHENTICATED | MDM_CREDENTIAL_EXPIRED | MDM_REVOKED | MDM_CRL | MDM_BANNED | MDM_CATCHING_UP */
  identify(chain: readonly X509Certificate[]): Promise<Caller>
  /** The same of a caller who is not there, whose certificates are not at hand. @throws MDM_BANNED | MDM_CATCHING_UP */
  requireAdmitted(caller: Caller): Promise<void>
}

export interface AdmissionOptions {
  readonly db: SiteStore
  readonly roster: () => TrustedRoster
  readonly crls: Revocations
  readonly voms: VomsServers
  readonly bans: BanFile
  readonly groups: Pick<Groups, 'isBanned'>
  readonly refresh: () => Promise<void>
  readonly now: () => Date
}

export async function openAdmission(o: AdmissionOptions): Promise<Admission> {
  let recalling = await isRecalling(o.db)
  /** Put back from a backup, the site does not know who was banned or revoked since: it answers nobody, nor is it a witness. */
  const requireRecalled = async (): Promise<void> => {
    if (!recalling) return
    recalling = await isRecalling(o.db)
    if (recalling) throw new MdmError('MDM_CATCHING_UP')
  }
  const requireAnswered = async (caller: Caller): Promise<void> => {
    if (isBannedHere(o.bans.principals, caller) || (await o.groups.isBanned(caller)))
      throw new MdmError('MDM_BANNED')
    await requireRecalled()
  }
  return {
    async identify(chain) {
      await o.refresh()
      const caller = identify(chain, o.roster(), o.now(), o.crls, o.voms)
      await requireAnswered(caller)
      return caller
    },
    async requireAdmitted(caller) {
      await o.refresh()
      await requireAnswered(caller)
    },
  }
}
