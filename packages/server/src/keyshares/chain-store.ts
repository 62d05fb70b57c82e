import type { Chain } from '@mdm/core/acl/statement'
import { emptyChain } from '@mdm/core/acl/statement'
import { jwsDigest } from '@mdm/core/crypto/jws'
import type { SiteId } from '@mdm/core/names'
import type { AclObject, Scope } from '@mdm/core/wire/common'
import type { Db } from './share-store.ts'

/** Which chain: the access list of one object of a volume, or of the site. */
export interface ChainName {
  readonly site: SiteId
  readonly scope: Scope
  readonly object: AclObject
}

/**
 * The state a chain leads to, without its statements: they were verified when they came, and a release needs only what they
 * lead to. The empty chain when nothing came yet.
 */
export async function chainState(db: Db, name: ChainName): Promise<Chain> {
  const row = await where(db.selectFrom('acl_chain').select('state'), name).executeTakeFirst()
  return row === undefined ? emptyChain(name.site, name.scope, name.object) : (JSON.parse(row.state) as Chain)
}

/** A chain with its statements in order of seq. */
export async function wholeChain(db: Db, name: ChainName): Promise<Chain> {
  const [state, rows] = [
    await chainState(db, name),
    await where(db.selectFrom('acl_statement').select('jws'), name).orderBy('seq').execute(),
  ]
  return { ...state, statements: rows.map((row) => row.jws) }
}

/** The states of every chain of a site whose object begins with `prefix`: 'ban', 'group:'. */
export async function siteChains(db: Db, site: SiteId, prefix: string): Promise<Chain[]> {
  const rows = await db
    .selectFrom('acl_chain')
    .select('state')
    .where('site', '=', site)
    .where('scope', '=', 'site')
    .where('object', 'like', `${prefix}%`)
    .execute()
  return rows.map((row) => JSON.parse(row.state) as Chain)
}

/** Writes the statements that `after` has beyond `before`, and the state they lead to; call it inside a transaction. */
export async function extendChain(db: Db, name: ChainName, before: Chain, after: Chain): Promise<void> {
  const added = after.statements.slice(before.seq + 1)
  if (added.length === 0) return
  const rows = added.map((jws, i) => ({
    ...keys(name),
    seq: before.seq + 1 + i,
    digest: jwsDigest(jws),
    jws,
  }))
  await db.insertInto('acl_statement').values(rows).execute()
  const state = JSON.stringify({ ...after, statements: [] })
  if (before.seq < 0)
    await db
      .insertInto('acl_chain')
      .values({ ...keys(name), seq: after.seq, state })
      .execute()
  else await where(db.updateTable('acl_chain').set({ seq: after.seq, state }), name).execute()
}

/** Digest of the statement stored at a place of a chain. */
export async function digestAt(db: Db, name: ChainName, seq: number): Promise<string | undefined> {
  const query = where(db.selectFrom('acl_statement').select('digest'), name).where('seq', '=', seq)
  return (await query.executeTakeFirst())?.digest
}

function keys({ site, scope, object }: ChainName): { site: string; scope: string; object: string } {
  return { site, scope, object }
}

interface Filtered<Self> {
  where(column: 'site' | 'scope' | 'object', operator: '=', value: string): Self
}

function where<Query extends Filtered<Query>>(query: Query, { site, scope, object }: ChainName): Query {
  return query.where('site', '=', site).where('scope', '=', scope).where('object', '=', object)
}
