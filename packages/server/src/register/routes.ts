import { administersSite } from '@mdm/core/acl/evaluate'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { postRegister, type RegisterEvent } from '@mdm/core/wire/register'
import type { Audit } from '../audit/audit.ts'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import type { SiteStore } from '../store/site-store.ts'
import { namedSeries } from './named-series.ts'
import type { Registration } from './registration.ts'
import { seriesFilter } from './series-filter.ts'

/** `mdm register`: a job whose events travel as NDJSON; it goes on when the client leaves. */
export function registerRoutes(
  app: App,
  o: { db: SiteStore; registration: Registration; roster: () => TrustedRoster; audit: Audit },
): void {
  route(app, postRegister, async ({ body, caller, requestId }) => {
    // The same for every other caller, so it says nothing of any volume.
    if (!administersSite(caller, o.roster())) {
      throw new MdmError('MDM_DENIED', 'only an administrator of the site may register')
    }
    const { dn, issuer, spki } = caller
    const { source, where, series, quarantine } = body
    if (where !== undefined && (series !== undefined || quarantine !== undefined))
      throw new MdmError('MDM_USAGE', 'series are meant by name or by an expression, not by both')
    const filter = where === undefined ? undefined : seriesFilter(where)
    const named = await namedSeries(o.db, body)
    const events = o.registration.start({
      ...{ source, filter, named, caller: { dn, issuer, spki } },
      // What was refused for its gaps has as many objects as before.
      recheck: body.recheck ?? (filter === undefined || body.allowGaps === true),
      allowGaps: body.allowGaps,
    })
    await o.audit.record({
      event: 'registration-asked',
      outcome: 'done',
      caller: { dn, issuer, spki },
      requestId,
      // How much was asked for; what an expression compares may be a patient's number.
      facts: {
        ...(source === undefined ? {} : { source }),
        ...(filter === undefined ? {} : { filtered: true }),
        ...(body.allowGaps ? { allowGaps: true } : {}),
        ...(named === undefined ? {} : { series: named.found.length + named.unknown.length }),
      },
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
