import type { X509Certificate } from 'node:crypto'
import { allows } from '@mdm/core/acl/evaluate'
import { MdmError } from '@mdm/core/errors'
import type { Guid, Kid, SiteId } from '@mdm/core/names'
import type { Release } from '@mdm/core/wire/key-server'
import { auditCaller } from '../audit/audit-caller.ts'
import type { RequestContext } from '../http/route.ts'
import { chainState } from './chain-store.ts'
import type { ServingKeyServer } from './key-server.ts'
import { markReleased, ownerOf, revealShare, sharesOf, type StoredShare } from './share-store.ts'
import { sitesOf, standingOf } from './standing.ts'

/** More than one key of a volume is rare; a reply never holds more than its contract allows. */
const MAX_RELEASES = 100

/**
 * Releases the shares of a volume that the caller may read by this server's OWN copy of the key's access list; no site is asked.
 *
 * @throws MDM_NOT_FOUND, always the same, to everyone else and for every unknown GUID
 * @throws MDM_CATCHING_UP, the same for every GUID, while a site of the caller is not served after a start
 * @throws MDM_AUDIT when the release cannot be written down first
 * @see paper 3.3; decision 16
 */
export async function releaseShares(
  server: ServingKeyServer,
  c: RequestContext<{ guid: Guid }, { kid?: Kid | undefined }, unknown>,
): Promise<{ releases: Release[] }> {
  const { guid } = c.params
  // An unknown GUID takes the same steps as a forbidden one, so that the time to answer tells little.
  const site = ((await ownerOf(server.db, guid)) ?? server.rosters.current()[0]?.body.site) as
    SiteId | undefined
  const standing = site === undefined ? undefined : await standingOf(server, c.chain, site)
  if (site === undefined || standing === undefined) throw refusal(server, c.chain)
  const { caller, groups } = standing
  const key = await chainState(server.db, { site, scope: guid, object: 'key' })
  const now = server.now()
  const stored = await sharesOf(server.db, guid, c.query.kid)
  const may = server.catchUp.isServing(site) && !server.catchUp.isInDoubt(guid)
  const readable = stored
    .filter(() => may)
    .filter(({ version }) => allows(key, caller, 'read', { version, now, groups }))
    .slice(0, MAX_RELEASES)
  if (readable.length === 0) throw refusal(server, c.chain)
  const releases = readable.map((row) => releaseOf(server, row))
  if (caller.kind === 'user') await markReleased(server.db, readable, now)
  await server.audit.record({
    event: 'shares-released',
    outcome: 'done',
    caller: auditCaller(caller),
    site,
    guid,
    ...(c.query.kid === undefined ? {} : { kid: c.query.kid }),
    object: 'key',
    requestId: c.requestId,
    facts: {
      shares: releases.length,
      kids: [...new Set(releases.map((r) => r.kid))].join(' '),
      to: caller.kind,
      seq: key.seq,
    },
  })
  return { releases }
}

/** The same for every GUID, known or not: who gets nothing learns only whether this server has caught up for his sites. */
function refusal(server: ServingKeyServer, chain: readonly X509Certificate[]): MdmError {
  const catching = sitesOf(server, chain).some((site) => !server.catchUp.isServing(site))
  return new MdmError(catching ? 'MDM_CATCHING_UP' : 'MDM_NOT_FOUND')
}

function releaseOf(server: ServingKeyServer, row: StoredShare): Release {
  const share = revealShare(server.storeKey, row)
  const { version, epoch, manifest } = row
  const text = share.toString('base64')
  share.fill(0)
  return { kid: row.kid as Kid, version, epoch, manifest, share: text }
}
