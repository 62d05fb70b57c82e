import type { SiteId } from '@mdm/core/names'
import type { AclObject, Scope } from '@mdm/core/wire/common'
import type { Db } from '../keyshares/share-store.ts'
import type { Rosters } from '../store/rosters.ts'
import type { Collector } from './findings.ts'
import { checkList } from './lists.ts'

/** Every chain of statements a key server keeps, and what is kept of it. */
export async function checkStoredChains(db: Db, rosters: Rosters, to: Collector): Promise<void> {
  const rows = await db.selectFrom('acl_chain').selectAll().orderBy('scope').orderBy('object').execute()
  for (const { site, scope, object, seq, state } of rows) {
    const roster = rosters.of(site)
    // Its shares are told of already.
    if (roster === undefined) continue
    const statements = await db
      .selectFrom('acl_statement')
      .select('jws')
      .where('site', '=', site)
      .where('scope', '=', scope)
      .where('object', '=', object)
      .orderBy('seq')
      .execute()
    const list = { scope: scope as Scope, object: object as AclObject, seq, state }
    await checkList(
      list,
      statements.map(({ jws }) => jws),
      { roster, site: site as SiteId },
      to,
    )
  }
  const { rows: orphans } = await db
    .selectFrom('acl_statement')
    .leftJoin('acl_chain', (join) =>
      join
        .onRef('acl_chain.site', '=', 'acl_statement.site')
        .onRef('acl_chain.scope', '=', 'acl_statement.scope')
        .onRef('acl_chain.object', '=', 'acl_statement.object'),
    )
    .select((eb) => eb.fn.countAll().as('rows'))
    .where('acl_chain.scope', 'is', null)
    .executeTakeFirstOrThrow()
  if (Number(orphans) > 0) to.find('orphan-rows', `${Number(orphans)} of acl_statement`)
}
