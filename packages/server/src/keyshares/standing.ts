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
  const caller = roster === undefined ? undefined : identified(chain, roster, server.now())
  if (roster === undefined || caller === undefined) return undefined
  // Another site's roster may know the same certificate as somebody else, so the listener's look at the list is not enough.
  if (isBannedHere(server.bans.principals, caller)) return undefined
  const { groups, isBanned } = await siteGroups(server.db, SiteId.parse(site))
  return isBanned(caller) ? undefined : { roster, caller, groups }
}

/**
 * Identifies a caller under any trusted roster, for requests that name no site.
 *
 * @throws MDM_UNAUTHENTICATED when none knows the caller; MDM_CREDENTIAL_EXPIRED when one does, at another time
 */
export function identifyAnywhere(
  rosters: readonly TrustedRoster[],
  chain: readonly X509Certificate[],
  now: Date,
): Caller {
  let refusal = new MdmError('MDM_UNAUTHENTICATED')
  for (const roster of rosters) {
    try {
      return identify(chain, roster, now)
    } catch (error) {
      if (!(error instanceof MdmError)) throw error
      if (error.code === 'MDM_CREDENTIAL_EXPIRED') refusal = error
    }
  }
  throw refusal
}

/** The sites whose rosters know a caller. */
export function sitesOf(server: KeyServer, chain: readonly X509Certificate[]): SiteId[] {
  const now = server.now()
  return server.rosters
    .current()
    .flatMap((r) => (identified(chain, r, now) === undefined ? [] : [r.body.site]))
}

function identified(chain: readonly X509Certificate[], roster: TrustedRoster, now: Date): Caller | undefined {
  try {
    return identify(chain, roster, now)
  } catch (error) {
    if (error instanceof MdmError) return undefined
    throw error
  }
}
