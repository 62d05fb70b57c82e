import { isAdministrator } from '@mdm/core/acl/evaluate'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { Guid, Kid, SiteId } from '@mdm/core/names'
import { auditCaller } from '../audit/audit-caller.ts'
import type { RequestContext } from '../http/route.ts'
import { inTransaction } from '../store/transaction.ts'
import { chainState } from './chain-store.ts'
import type { ServingKeyServer } from './key-server.ts'
import { deletionsOf, ownerOf, removeShares, sharesOf } from './share-store.ts'
import { sitesOf, standingOf } from './standing.ts'

/**
 * Deletes the shares of one key: a registration that never became visible is undone by the site's service; a key that readers
 * have used goes only by an administrator of it.
 *
 * @returns how many went; 0 to any site's service for what is not there or not its own, so that a repeat is no error
 * @throws MDM_NOT_FOUND to everyone else
 * @throws MDM_DENIED to the site's service once a reader got a share
 */
export async function deleteShares(
  server: ServingKeyServer,
  c: RequestContext<{ guid: Guid; kid: Kid }, unknown, unknown>,
): Promise<{ deleted: number }> {
  const { guid, kid } = c.params
  const site = (await ownerOf(server.db, guid)) as SiteId | undefined
  const standing = site === undefined ? undefined : await standingOf(server, c.chain, site)
  // Who administers a key is not known before the lists are; asked of all sites, so that it says nothing of the GUID.
  for (const known of sitesOf(server, c.chain)) server.catchUp.requireServing(known)
  if (site === undefined || standing === undefined) return nothingOf(c.caller.kind)
  const { caller, roster } = standing
  const service = caller.kind === 'service' && caller.site === site
  const key = await chainState(server.db, { site, scope: guid, object: 'key' })
  if (!service && !isAdministrator(key, caller, roster)) return nothingOf(caller.kind)
  const deleted = await inTransaction(server.db, async (trx) => {
    const stored = await sharesOf(trx, guid, kid)
    if (stored.length === 0) return 0
    if (service && stored.some((row) => row.released !== null)) {
      throw new MdmError(
        'MDM_DENIED',
        'a reader has used this key: only an administrator of it may delete it',
      )
    }
    // The same again after a crash that lost the transaction and not the record.
    const eventId = `shares-deleted:${guid}:${kid}:${await deletionsOf(trx, guid)}`
    await removeShares(trx, guid, kid)
    await server.audit.record({
      eventId,
      event: 'shares-deleted',
      outcome: 'done',
      caller: auditCaller(caller),
      site,
      guid,
      kid,
      requestId: c.requestId,
      facts: { shares: stored.length },
    })
    return stored.length
  })
  return { deleted }
}

/** The answer for a GUID that is unknown here, which must not differ from the one for another's GUID. */
function nothingOf(kind: Caller['kind']): { deleted: number } {
  if (kind === 'service') return { deleted: 0 }
  throw new MdmError('MDM_NOT_FOUND')
}
