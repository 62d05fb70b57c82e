import type { Caller } from '@mdm/core/identity/identify'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { administersSite } from '@mdm/core/acl/evaluate'
import { MdmError } from '@mdm/core/errors'
import { listSources, testSource, type SourceRow } from '@mdm/core/wire/site'
import type { Audit, AuditEvent } from '../audit/audit.ts'
import type { DicomSource } from '../dicom/source.ts'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'

/** `mdm source`: which sources there are and whether they work, for administrators of the site. */
export function sourceRoutes(
  app: App,
  o: {
    sources: ReadonlyMap<string, DicomSource>
    rows: readonly SourceRow[]
    roster: () => TrustedRoster
    audit: Audit
  },
): void {
  // The same for every other caller, whatever is asked for.
  const requireAdministrator = (caller: Caller): void => {
    if (!administersSite(caller, o.roster()))
      throw new MdmError('MDM_DENIED', 'only an administrator of the site may see its sources')
  }
  route(app, listSources, async ({ caller }) => {
    requireAdministrator(caller)
    return { sources: [...o.rows] }
  })
  route(app, testSource, async ({ params: { name }, caller, requestId, signal }) => {
    requireAdministrator(caller)
    const source = o.sources.get(name)
    if (source === undefined) throw new MdmError('MDM_NOT_FOUND', 'the site has no source of this name')
    const found = await source.probe(signal)
    const failed = found.steps.find(({ ok }) => !ok)
    const { dn, issuer, spki } = caller
    await o.audit.record({
      event: 'source-tested',
      outcome: failed === undefined ? 'done' : 'failed',
      ...(failed?.code !== undefined && { code: failed.code }),
      caller: { dn, issuer, spki },
      requestId,
      facts: { source: name },
    })
    return found
  })
}

/** The record of a server that will not have us, or shows a certificate that the configuration does not name. */
export function sourceRefused(source: string): AuditEvent {
  return { event: 'source-refused', outcome: 'refused', code: 'MDM_SOURCE_REFUSED', facts: { source } }
}
