import { administersSite } from '@mdm/core/acl/evaluate'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import {
  getQuarantine,
  listQuarantine,
  postDropQuarantine,
  postReleaseQuarantine,
  postRetractQuarantine,
} from '@mdm/core/wire/quarantine'
import type { Audit, AuditCaller } from '../audit/audit.ts'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import type { QuarantineDesk } from './quarantine-desk.ts'
import type { Releases } from './releases.ts'

const DEFAULT_LIMIT = 100

/** `mdm quarantine`: what was refused, for administrators of the site only; each look is in the audit log before the answer. */
export function quarantineRoutes(
  app: App,
  o: { desk: QuarantineDesk; releases: Releases; roster: () => TrustedRoster; audit: Audit; now: () => Date },
): void {
  /** The same for every other caller, so it says nothing of any row. */
  const administrator = (caller: Caller): AuditCaller => {
    if (!administersSite(caller, o.roster()))
      throw new MdmError('MDM_DENIED', 'only an administrator of the site may look into its quarantine')
    const { dn, issuer, spki } = caller
    return { dn, issuer, spki }
  }
  const told = async (caller: AuditCaller, requestId: string, rows: number) => {
    const facts = { rows }
    await o.audit.record({ event: 'quarantine-read', outcome: 'done', caller, requestId, facts })
  }

  route(app, listQuarantine, async ({ query, caller, requestId }) => {
    const by = administrator(caller)
    const limit = query.limit ?? DEFAULT_LIMIT
    const found = await o.desk.page(query.after, limit + 1)
    const rows = found.slice(0, limit)
    await told(by, requestId, rows.length)
    return { rows, ...(found.length > limit ? { next: rows.at(-1)!.id } : {}) }
  })

  route(app, getQuarantine, async ({ params, caller, requestId }) => {
    const by = administrator(caller)
    const row = await o.desk.row(params.id)
    await told(by, requestId, 1)
    return row
  })

  route(app, postDropQuarantine, async ({ params, body, caller, requestId }) => {
    const by = administrator(caller)
    await o.desk.drop(params.id, { reason: body.reason, caller: by, now: o.now(), requestId })
    return { dropped: params.id }
  })

  route(app, postReleaseQuarantine, async ({ params, body, caller, requestId }) => {
    await o.releases.release(params.id, { ...body, caller: administrator(caller), requestId })
    return { released: params.id }
  })

  route(app, postRetractQuarantine, async ({ params, body, caller, requestId }) => {
    await o.releases.retract(params.id, { ...body, caller: administrator(caller), requestId })
    return { retracted: params.id }
  })
}
