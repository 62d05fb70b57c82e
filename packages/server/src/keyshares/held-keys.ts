import { MdmError } from '@mdm/core/errors'
import type { SiteId } from '@mdm/core/names'
import { KEYS_AT_ONCE, type HeldKey } from '@mdm/core/wire/key-server'
import { auditCaller } from '../audit/audit-caller.ts'
import type { RequestContext } from '../http/route.ts'
import type { KeyServer } from './key-server.ts'
import { standingOf } from './standing.ts'

/**
 * The keys a site has put here, without their shares: what a site that was put back from a backup does not know itself.
 *
 * @throws MDM_NOT_FOUND but to the site's service
 * @see decision 26
 */
export async function readHeldKeys(
  server: KeyServer,
  c: RequestContext<{ site: SiteId }, { after?: string | undefined }, unknown>,
): Promise<{ keys: HeldKey[]; next?: string }> {
  const { site } = c.params
  const { after } = c.query
  const caller = (await standingOf(server, c.chain, site))?.caller
  if (caller?.kind !== 'service' || caller.site !== site) throw new MdmError('MDM_NOT_FOUND')
  if (after === undefined) {
    await server.audit.record({
      ...{ event: 'held-keys-read', outcome: 'done', site, requestId: c.requestId },
      caller: auditCaller(caller),
    })
  }
  const [kid = '', epoch = '0'] = after?.split('/') ?? []
  const rows = await server.db
    .selectFrom('share')
    .innerJoin('guid_owner', 'guid_owner.guid', 'share.guid')
    .select(['share.guid', 'share.kid', 'share.version', 'share.epoch', 'share.manifest', 'share.note'])
    .where('guid_owner.site', '=', site)
    .where((eb) =>
      eb.or([
        eb('share.kid', '>', kid),
        eb.and([eb('share.kid', '=', kid), eb('share.epoch', '>', Number(epoch))]),
      ]),
    )
    .orderBy('share.kid')
    .orderBy('share.epoch')
    .limit(KEYS_AT_ONCE)
    .execute()
  const last = rows.at(-1)
  const more = rows.length === KEYS_AT_ONCE && last !== undefined
  return { keys: rows as HeldKey[], ...(more ? { next: `${last.kid}/${last.epoch}` } : {}) }
}
