import type { X509Certificate } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Caller } from '@mdm/core/identity/identify'
import type { Timing } from '@mdm/core/timing'
import { auditCaller } from '../audit/audit-caller.ts'
import type { Audit } from '../audit/audit.ts'
import type { Access, ResolvedVolume } from '../catalog/access.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { StreamReply } from '../http/route.ts'
import type { Delivery, Lease } from './delivery.ts'
import type { Preparation } from './preparation.ts'
import { spanOf, type Span } from './range.ts'
import { recheck } from './recheck.ts'
import { readContainer } from './transfer.ts'

/** What decides about a container and gives it. */
export interface Containers {
  readonly delivery: Delivery
  readonly catalog: Pick<Catalog, 'requireThere'>
  readonly access: Pick<Access, 'requireRight'>
  readonly audit: Pick<Audit, 'record'>
  /** Who the caller is now: as the listener asks it for every request. @throws what it refuses a caller with */
  identify(chain: readonly X509Certificate[]): Caller | Promise<Caller>
  /** how often a transfer under way is looked at again, ms */
  readonly recheckMs?: number
}

/** Who asks for which container, whatever the name and the protocol it was asked for by. */
export interface ContentRequest extends ResolvedVolume {
  readonly caller: Caller
  readonly chain: readonly X509Certificate[]
  /** Range and If-Range count */
  readonly headers: IncomingHttpHeaders
  readonly requestId: string
  readonly signal: AbortSignal
  readonly timing: Timing
  /** takes headers of a refusal too */
  readonly reply: { header(name: string, value: string): unknown }
  /** headers that a protocol adds, made of the preparation that is given */
  describe?(preparation: Preparation): Promise<Record<string, string>>
}

export const CONTENT_TYPE = 'application/x-mdm-volume'

/**
 * The container of a volume, whole or a part, for whoever may read it (FLOW 2; RFC 9110 section 14). In this order: the right,
 * whether the hospital still has it, the preparation, the right again, the audit record, the first byte.
 *
 * @throws MDM_NOT_FOUND | MDM_DENIED | MDM_GONE | MDM_RANGE | MDM_AUDIT | what the preparation failed of
 */
export async function contentReply(o: Containers, c: ContentRequest): Promise<StreamReply> {
  const { record } = c
  await c.timing.measure('access-control', () => o.access.requireRight(c.caller, record, 'file', 'read'))
  // The hospital decides what exists: what is in the spool still is not given either.
  await o.catalog.requireThere(record.guid)
  const mayRead = async () => {
    await o.access.requireRight(await o.identify(c.chain), record, 'file', 'read')
    await o.catalog.requireThere(record.guid)
  }
  const { signal, timing } = c
  const volume =
    'read' in record ? { ...record, read: () => timing.measure('resolve-surl', () => record.read()) } : record
  const lease = await o.delivery.open(volume, { signal, timing })
  try {
    // opening waits for remote servers, minutes at the worst
    await mayRead()
    const span = spanFor(lease, c)
    const described = await c.describe?.(lease.preparation)
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
        ...containerHeaders(c),
        'content-length': span.end - span.start,
        etag: `"${lease.etag}"`,
        ...(span.partial ? { 'content-range': `bytes ${span.start}-${span.end - 1}/${lease.length}` } : {}),
        ...described,
      },
      body: recheck(readContainer(lease.preparation, span, lease.release), mayRead, o.recheckMs),
      own: true,
    }
  } catch (error) {
    lease.release()
    throw error
  }
}

/** What is known of a container before it is prepared. */
export function containerHeaders({ record, latest, slice }: ResolvedVolume): Record<string, string | number> {
  const { guid, version, kid, containerBytes, registered } = record
  return {
    'content-type': CONTENT_TYPE,
    'content-length': containerBytes,
    'accept-ranges': 'bytes',
    'last-modified': new Date(registered).toUTCString(),
    'mdm-guid': guid,
    'mdm-version': version,
    'mdm-kid': kid,
    ...(slice === undefined ? {} : { 'mdm-slice': slice }),
    ...(latest > version ? { 'mdm-latest': latest } : {}),
  }
}

function spanFor(lease: Lease, { headers, reply }: ContentRequest): Span {
  const ifRange = headers['if-range']
  try {
    return spanOf(
      { range: headers.range, ifRange: ifRange === undefined ? undefined : String(ifRange) },
      lease.etag,
      lease.length,
    )
  } catch (error) {
    reply.header('content-range', `bytes */${lease.length}`)
    throw error
  }
}
