import { Guid } from '@mdm/core/names'
import { auditCaller } from '../audit/audit-caller.ts'
import type { Audit } from '../audit/audit.ts'
import type { Refusals } from '../audit/refusals.ts'
import type { Refusal } from '../http/app.ts'

/** Signs of an attack or of a server astray: never just counted. */
const ALWAYS = new Set(['MDM_STATEMENT_FORKED', 'MDM_STATEMENT_STALE'])

/** Writes a refusal down: the first per caller and minute before the answer, forks and stale statements always. */
export async function noteRefusal(audit: Audit, refusals: Refusals, refusal: Refusal): Promise<void> {
  const { code, requestId, caller, params } = refusal
  const guid = Guid.safeParse(params.guid ?? params.scope ?? params.name)
  const event = {
    event: 'request-refused',
    ...{ code, requestId },
    ...(caller === undefined ? {} : { caller: auditCaller(caller) }),
    ...(guid.success ? { guid: guid.data } : {}),
  }
  if (ALWAYS.has(code)) await audit.record({ ...event, outcome: 'refused' })
  else await refusals.note(event)
}
