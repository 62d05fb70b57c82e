import { isDeepStrictEqual } from 'node:util'
import { verifyChain } from '@mdm/core/acl/statement'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { SiteId } from '@mdm/core/names'
import type { AclObject, Scope } from '@mdm/core/wire/common'
import { TABLE_NAMES } from '../metadata/column-rights.ts'
import type { SiteQueries } from '../store/site-store.ts'
import type { Collector } from './findings.ts'

const OBJECTS: readonly AclObject[] = [
  'file',
  'key',
  ...TABLE_NAMES.map((table) => `metadata:${table}` as const),
]

/** What a store keeps beside the statements of a list. */
export interface StoredList {
  readonly scope: Scope
  readonly object: AclObject
  readonly seq: number
  /** what the statements come to: entries and administrators, JSON */
  readonly state: string
}

/** Every access list of the site: its statements, verified anew, and what is kept of them. */
export async function checkLists(db: SiteQueries, roster: TrustedRoster, to: Collector): Promise<void> {
  const rows = await db.selectFrom('access_lists').selectAll().orderBy('scope').orderBy('object').execute()
  const lists = new Map(rows.map((row) => [`${row.scope} ${row.object}`, row]))
  const volumes = await db.selectFrom('volumes').select('guid').orderBy('guid').execute()
  for (const { guid } of volumes)
    for (const object of OBJECTS)
      if (!lists.has(`${guid} ${object}`)) to.find('list-missing', `${guid} ${object}`)
  const known = new Set<string>(volumes.map(({ guid }) => guid))
  for (const row of rows) {
    const { scope, object } = row
    if (scope !== 'site' && !known.has(scope)) to.find('orphan-rows', `access list ${scope} ${object}`)
    const statements = await db
      .selectFrom('statements')
      .select('jws')
      .where('scope', '=', scope)
      .where('object', '=', object)
      .orderBy('seq')
      .execute()
    await checkList(
      row,
      statements.map(({ jws }) => jws),
      { roster, site: roster.body.site },
      to,
    )
  }
  const { unlisted } = await db
    .selectFrom('statements')
    .leftJoin('access_lists', (join) =>
      join
        .onRef('access_lists.scope', '=', 'statements.scope')
        .onRef('access_lists.object', '=', 'statements.object'),
    )
    .select((eb) => eb.fn.countAll().as('unlisted'))
    .where('access_lists.scope', 'is', null)
    .executeTakeFirstOrThrow()
  if (Number(unlisted) > 0) to.find('orphan-rows', `${Number(unlisted)} of statements`)
}

/** One list: do its statements verify, and does what is kept of them say the same. */
export async function checkList(
  row: StoredList,
  statements: readonly string[],
  of: { roster: TrustedRoster; site: SiteId },
  to: Collector,
): Promise<void> {
  const { scope, object, seq } = row
  to.look('access lists')
  try {
    const chain = await verifyChain(statements, { ...of, scope, object })
    const kept = JSON.parse(row.state) as { entries?: unknown; administrators?: unknown }
    const same =
      chain.seq === Number(seq) &&
      isDeepStrictEqual(kept.entries, chain.entries) &&
      isDeepStrictEqual(kept.administrators, chain.administrators)
    if (!same) to.find('list-altered', `${scope} ${object}`)
  } catch (error) {
    if (!(error instanceof MdmError) && !(error instanceof SyntaxError)) throw error
    to.find(error instanceof MdmError ? 'list-unverified' : 'list-altered', `${scope} ${object}`)
  }
}
