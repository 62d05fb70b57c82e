import { MdmError } from '@mdm/core/errors'
import { isGridService, type Caller } from '@mdm/core/identity/identify'
import type { SiteId } from '@mdm/core/names'
import { HEADS_AT_ONCE, placeOf, type Head } from '@mdm/core/wire/witness'
import { auditCaller } from '../audit/audit-caller.ts'
import type { Audit } from '../audit/audit.ts'
import type { SiteStore } from '../store/site-store.ts'
import type { ListName } from './statements.ts'

/**
 * The ONE place of the site that says which lists a key server may compare with its own: those it keeps itself. Lists of files and
 * of metadata are none of its business.
 */
export function mayCompare(caller: Caller, { site, scope, object }: ListName): boolean {
  if (!isGridService(caller, site)) return false
  return scope === 'site' ? object === 'ban' || object.startsWith('group:') : object === 'key'
}

/**
 * Where the key lists, bans and groups of the site end, for the key servers of its roster (decision 23).
 *
 * @throws MDM_NOT_FOUND to everyone else; MDM_AUDIT
 */
export async function readHeads(
  o: { db: SiteStore; site: SiteId; audit: Audit },
  ask: { caller: Caller; site: SiteId; after?: string | undefined; requestId: string },
): Promise<{ heads: Head[]; next?: string }> {
  const { caller, site, after, requestId } = ask
  if (site !== o.site || !isGridService(caller, site)) throw new MdmError('MDM_NOT_FOUND')
  if (after === undefined) {
    const event = {
      event: 'heads-read',
      outcome: 'done',
      site,
      requestId,
      caller: auditCaller(caller),
    } as const
    await o.audit.record(event)
  }
  const [scope = '', object = ''] = after?.split('/') ?? []
  const heads = await o.db
    .selectFrom('access_lists')
    .select(['scope', 'object', 'seq', 'head'])
    .where((eb) => eb.or([eb('object', '=', 'key'), eb('scope', '=', 'site')]))
    .where((eb) =>
      eb.or([
        eb('scope', '>', scope as Head['scope']),
        eb.and([eb('scope', '=', scope as Head['scope']), eb('object', '>', object as Head['object'])]),
      ]),
    )
    .orderBy('scope')
    .orderBy('object')
    .limit(HEADS_AT_ONCE)
    .execute()
  return { heads, ...(heads.length < HEADS_AT_ONCE ? {} : { next: placeOf(heads.at(-1)!) }) }
}
