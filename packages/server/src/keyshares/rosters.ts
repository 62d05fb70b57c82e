import { peekJws } from '@mdm/core/crypto/jws'
import { MdmError } from '@mdm/core/errors'
import type { SiteId } from '@mdm/core/names'
import { auditCaller } from '../audit/audit-caller.ts'
import type { RequestContext } from '../http/route.ts'
import type { KeyServer } from './key-server.ts'
import { standingOf } from './standing.ts'

/**
 * The rosters of a site, to whoever that site's roster identifies.
 *
 * @throws MDM_NOT_FOUND to everyone else, and for a site that is not trusted here
 */
export async function readRosters(
  server: KeyServer,
  c: RequestContext<{ site: SiteId }, { since?: number | undefined }, unknown>,
): Promise<{ rosters: string[] }> {
  if ((await standingOf(server, c.chain, c.params.site)) === undefined) throw new MdmError('MDM_NOT_FOUND')
  return { rosters: server.rosters.texts(c.params.site, c.query.since ?? 1) }
}

/**
 * Takes a later roster: its signature and chain are what counts, whoever of the site brings it.
 *
 * @throws MDM_NOT_FOUND when the caller is unknown to the site's current roster
 * @throws MDM_ROSTER when it does not follow, or adds what the operator must confirm by its fingerprint
 */
export async function acceptNextRoster(
  server: KeyServer,
  c: RequestContext<unknown, unknown, { roster: string }>,
): Promise<{ seq: number }> {
  const { site } = peekJws(c.body.roster).payload as { site?: unknown }
  const standing = typeof site === 'string' ? await standingOf(server, c.chain, site) : undefined
  if (standing === undefined) throw new MdmError('MDM_NOT_FOUND')
  const accepted = await server.rosters.offer(c.body.roster, {
    before: (roster) =>
      server.audit.record({
        event: 'roster-accepted',
        outcome: 'done',
        caller: auditCaller(standing.caller),
        site: roster.body.site,
        requestId: c.requestId,
        facts: { seq: roster.body.seq, digest: roster.digest },
      }),
  })
  return { seq: accepted.body.seq }
}
