import type { X509Certificate } from 'node:crypto'
import { MdmError } from '@mdm/core/errors'
import { identify, type Caller } from '@mdm/core/identity/identify'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Principal } from '@mdm/core/acl/principal'
import { SiteId } from '@mdm/core/names'
import type { KeyServer } from './key-server.ts'
import { isBannedHere, siteGroups } from './site-groups.ts'

/** Who a caller is under the roster of one site. */
export interface Standing {
  readonly roster: TrustedRoster
  readonly caller: Caller
  readonly groups: ReadonlyMap<string, Principal[]>
}

/**
 * Identifies a caller under the roster of the site concerned, whatever another site's roster says of the same certificate.
 *
 * @returns undefined when the site is not trusted here, does not know the caller, or the site or the operator has banned it:
 *   all of these are the same MDM_NOT_FOUND to the caller
 */
export async function standingOf(
  server: KeyServer,
  chain: readonly X509Certificate[],
  site: string,
): Promise<Standing | undefined> {
  const roster = server.rosters.of(site)
  const caller = roster === undefined ? undefined : identified(server, chain, roster)
  if (roster === undefined || caller === undefined) return undefined
  // Another site's roster may know the same certificate as somebody else, so the listener's look at the list is not enough.
  if (isBannedHere(server.bans.principals, caller)) return undefined
  const { groups, isBanned } = await siteGroups(server.db, SiteId.parse(site))
  return isBanned(caller) ? undefined : { roster, caller, groups }
}

/**
 * Identifies a caller under any trusted roster, for requests that name no site.
 *
 * @throws MDM_UNAUTHENTICATED when none knows the caller; when one does, why it does not let him in: MDM_CREDENTIAL_EXPIRED,
 *   MDM_REVOKED, MDM_CRL
 */
export function identifyAnywhere(
  { rosters, crls, voms, now }: Pick<KeyServer, 'rosters' | 'crls' | 'voms' | 'now'>,
  chain: readonly X509Certificate[],
): Caller {
  let refusal = new MdmError('MDM_UNAUTHENTICATED')
  for (const roster of rosters.current()) {
    try {
      return identify(chain, roster, now(), crls, voms)
    } catch (error) {
      if (!(error instanceof MdmError)) throw error
      if (error.code !== 'MDM_UNAUTHENTICATED') refusal = error
    }
  }
  throw refusal
}

/** The sites whose rosters know a caller. */
export function sitesOf(server: KeyServer, chain: readonly X509Certificate[]): SiteId[] {
  return server.rosters
    .current()
    .flatMap((r) => (identified(server, chain, r) === undefined ? [] : [r.body.site]))
}

function identified(
  { crls, voms, now }: KeyServer,
  chain: readonly X509Certificate[],
  roster: TrustedRoster,
): Caller | undefined {
  try {
    return identify(chain, roster, now(), crls, voms)
  } catch (error) {
    if (error instanceof MdmError) return undefined
    throw error
  }
}
