import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { postRegister, type RegisterEvent } from '@mdm/core/wire/site'
import type { Audit } from '../audit/audit.ts'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import type { Registration } from './registration.ts'

/** `mdm register`: a job whose events travel as NDJSON; it goes on when the client leaves. */
export function registerRoutes(
  app: App,
  o: { registration: Registration; roster: () => TrustedRoster; audit: Audit },
): void {
  route(app, postRegister, async ({ body, caller, requestId }) => {
    // The same for every other caller, so it says nothing of any volume.
    if (!o.roster().administrators.has(caller.spki)) {
      throw new MdmError('MDM_DENIED', 'only an administrator of the site may register')
    }
    const { dn, issuer, spki } = caller
    const events = o.registration.start({ source: body.source, caller: { dn, issuer, spki } })
    await o.audit.record({
      event: 'registration-asked',
      outcome: 'done',
      caller: { dn, issuer, spki },
      requestId,
      ...(body.source === undefined ? {} : { facts: { source: body.source } }),
    })
    return {
      status: 202,
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines(events),
    }
  })
}

async function* lines(events: AsyncIterable<RegisterEvent>): AsyncGenerator<Buffer> {
  for await (const event of events) yield Buffer.from(`${JSON.stringify(event)}\n`)
}
