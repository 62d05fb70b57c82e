import { MdmError } from '@mdm/core/errors'
import { isGridService } from '@mdm/core/identity/identify'
import type { SiteId } from '@mdm/core/names'
import { HEADS_AT_ONCE, placeOf, type Head } from '@mdm/core/wire/witness'
import { auditCaller } from '../audit/audit-caller.ts'
import type { RequestContext } from '../http/route.ts'
import type { KeyServer } from './key-server.ts'
import type { Db } from './share-store.ts'
import { standingOf } from './standing.ts'

/**
 * Where the lists of a site end here, for the site and the key servers of its roster: also while this server itself catches up,
 * so that servers that start together help one another.
 *
 * @throws MDM_NOT_FOUND to everyone else
 */
export async function readHeads(
  server: KeyServer,
  c: RequestContext<{ site: SiteId }, { after?: string | undefined }, unknown>,
): Promise<{ heads: Head[]; next?: string }> {
  const { site } = c.params
  const standing = await standingOf(server, c.chain, site)
  if (standing === undefined || !isGridService(standing.caller, site)) throw new MdmError('MDM_NOT_FOUND')
  if (c.query.after === undefined) {
    await server.audit.record({
      ...{ event: 'heads-read', outcome: 'done', site, requestId: c.requestId },
      caller: auditCaller(standing.caller),
    })
  }
  const heads = await headsOf(server.db, site, c.query.after)
  return { heads, ...(heads.length < HEADS_AT_ONCE ? {} : { next: placeOf(heads.at(-1)!) }) }
}

/** A page of heads, in order of scope and object. */
export async function headsOf(db: Db, site: SiteId, after?: string): Promise<Head[]> {
  const [scope = '', object = ''] = after?.split('/') ?? []
  const rows = await db
    .selectFrom('acl_chain')
    .innerJoin('acl_statement', (join) =>
      join
        .onRef('acl_statement.site', '=', 'acl_chain.site')
        .onRef('acl_statement.scope', '=', 'acl_chain.scope')
        .onRef('acl_statement.object', '=', 'acl_chain.object')
        .onRef('acl_statement.seq', '=', 'acl_chain.seq'),
    )
    .select(['acl_chain.scope', 'acl_chain.object', 'acl_chain.seq', 'acl_statement.digest as head'])
    .where('acl_chain.site', '=', site)
    .where((eb) =>
      eb.or([
        eb('acl_chain.scope', '>', scope),
        eb.and([eb('acl_chain.scope', '=', scope), eb('acl_chain.object', '>', object)]),
      ]),
    )
    .orderBy('acl_chain.scope')
    .orderBy('acl_chain.object')
    .limit(HEADS_AT_ONCE)
    .execute()
  return rows as Head[]
}

/** Every head of a site that is kept here, by its place. */
export async function allHeads(db: Db, site: SiteId): Promise<Map<string, Head>> {
  const heads = new Map<string, Head>()
  for (let after: string | undefined; ;) {
    const page = await headsOf(db, site, after)
    for (const head of page) heads.set(placeOf(head), head)
    if (page.length < HEADS_AT_ONCE) return heads
    after = placeOf(page.at(-1)!)
  }
}
