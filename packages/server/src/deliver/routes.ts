import type { X509Certificate } from 'node:crypto'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { getContent, getPreparation } from '@mdm/core/wire/site'
import { auditCaller } from '../audit/audit-caller.ts'
import type { Audit } from '../audit/audit.ts'
import type { Access } from '../catalog/access.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { nameOf } from '../catalog/routes.ts'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import type { Delivery, Lease } from './delivery.ts'
import { spanOf, type Span } from './range.ts'
import { recheck } from './recheck.ts'
import { readContainer } from './transfer.ts'

export interface DeliveryRoutes {
  readonly delivery: Delivery
  readonly catalog: Pick<Catalog, 'requireThere'>
  readonly access: Pick<Access, 'resolveVolume' | 'requireRight'>
  readonly audit: Pick<Audit, 'record'>
  /** Who the caller is now: as the listener asks it for every request. @throws what it refuses a caller with */
  identify(chain: readonly X509Certificate[]): Caller | Promise<Caller>
  /** how often a transfer under way is looked at again, ms */
  readonly recheckMs?: number
}

const CONTENT_TYPE = 'application/x-mdm-volume'

/** The container of a volume, whole or a part, and the state of a preparation (FLOW 2; RFC 9110 section 14). */
export function deliveryRoutes(app: App, o: DeliveryRoutes): void {
  route(app, getContent, async (c) => {
    const name = nameOf(c.params.name)
    const { record, latest, slice } = await c.timing.measure('resolve-surl', () =>
      o.access.resolveVolume(c.caller, name),
    )
    await c.timing.measure('access-control', () => o.access.requireRight(c.caller, record, 'file', 'read'))
    // The hospital decides what exists: what is in the spool still is not given either.
    await o.catalog.requireThere(record.guid)
    const mayRead = async () => {
      await o.access.requireRight(await o.identify(c.chain), record, 'file', 'read')
      await o.catalog.requireThere(record.guid)
    }
    const lease = await o.delivery.open(record, { signal: c.signal, timing: c.timing })
    try {
      // opening waits for remote servers, minutes at the worst
      await mayRead()
      const span = spanFor(lease, c.request.headers, (range) => c.reply.header('content-range', range))
      const { guid, version, kid } = record
      // durable before the first byte; a get that failed before this line released nothing
      await o.audit.record({
        ...{ event: 'volume.get', outcome: 'done', object: 'file', guid, version, kid },
        ...{
          caller: auditCaller(c.caller),
          requestId: c.requestId,
          facts: { start: span.start, end: span.end },
        },
      })
      if (lease.preparation.over) throw lease.preparation.reason
      c.signal.throwIfAborted()
      return {
        status: span.partial ? 206 : 200,
        headers: {
          'content-type': CONTENT_TYPE,
          'content-length': span.end - span.start,
          'accept-ranges': 'bytes',
          etag: `"${lease.etag}"`,
          'mdm-guid': guid,
          'mdm-version': version,
          'mdm-kid': kid,
          ...(slice === undefined ? {} : { 'mdm-slice': slice }),
          ...(latest > version ? { 'mdm-latest': latest } : {}),
          ...(span.partial ? { 'content-range': `bytes ${span.start}-${span.end - 1}/${lease.length}` } : {}),
        },
        body: recheck(readContainer(lease.preparation, span, lease.release), mayRead, o.recheckMs),
        own: true,
      }
    } catch (error) {
      lease.release()
      throw error
    }
  })

  route(app, getPreparation, async (c) => {
    const { guid, etag } = c.params
    const known = o.delivery.report(guid, etag)
    if (known === undefined) throw new MdmError('MDM_NOT_FOUND')
    await o.access.requireRight(c.caller, { guid, version: known.version }, 'file', 'read')
    return known.report
  })
}

function spanFor(
  lease: Lease,
  headers: { range?: string | undefined; 'if-range'?: string | string[] | undefined },
  refuse: (contentRange: string) => void,
): Span {
  const ifRange = headers['if-range']
  try {
    return spanOf(
      { range: headers.range, ifRange: ifRange === undefined ? undefined : String(ifRange) },
      lease.etag,
      lease.length,
    )
  } catch (error) {
    refuse(`bytes */${lease.length}`)
    throw error
  }
}
