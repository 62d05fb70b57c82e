import { MdmError } from '@mdm/core/errors'
import { peekJws } from '@mdm/core/crypto/jws'
import type { SiteId } from '@mdm/core/names'
import { getHealth, getRosters, getWhoami, postRoster } from '@mdm/core/wire/common'
import { auditCaller } from '../audit/audit-caller.ts'
import type { Audit } from '../audit/audit.ts'
import type { App } from '../http/app.ts'
import type { Health } from '../http/health.ts'
import { route } from '../http/route.ts'
import { whoamiOf } from '../http/whoami.ts'
import type { Rosters } from '../store/rosters.ts'

export interface RosterRoutes {
  readonly site: SiteId
  readonly rosters: Rosters
  readonly audit: Audit
  readonly health: () => Promise<Health>
}

/** Who the caller is here, what the site says about itself, and whether it works. */
export function rosterRoutes(app: App, o: RosterRoutes): void {
  route(app, getWhoami, async ({ caller }) => whoamiOf(caller, [o.site]))

  route(app, getHealth, o.health)

  route(app, getRosters, async ({ params, query }) => {
    if (params.site !== o.site) throw new MdmError('MDM_NOT_FOUND')
    return { rosters: o.rosters.texts(o.site, query.since ?? 1) }
  })

  route(app, postRoster, async ({ body, caller, requestId }) => {
    const { site } = peekJws(body.roster).payload as { site?: unknown }
    if (site !== o.site) throw new MdmError('MDM_NOT_FOUND')
    const accepted = await o.rosters.offer(body.roster, {
      before: (roster) =>
        o.audit.record({
          eventId: `roster:${roster.digest}`,
          event: 'roster-accepted',
          outcome: 'done',
          ...{ caller: auditCaller(caller), site: o.site, requestId },
          facts: { seq: roster.body.seq, digest: roster.digest },
        }),
    })
    return { seq: accepted.body.seq }
  })
}
