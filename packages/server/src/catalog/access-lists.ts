import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto'
import { emptyChain, verifyChain, type Chain } from '@mdm/core/acl/statement'
import { jwsDigest } from '@mdm/core/crypto/jws'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { SiteId } from '@mdm/core/names'
import type { AclObject, Scope } from '@mdm/core/wire/common'
import type { AccessListsTable } from '../store/site-schema.ts'
import type { SiteQueries, SiteStore } from '../store/site-store.ts'

/** What a chain of statements comes to; all that a decision needs. */
export type AccessList = Omit<Chain, 'statements'>

/** The access lists of the site: one chain of signed statements per volume and object, and the site's own (bans, groups). */
export interface AccessLists {
  /** The list as it is now; an empty one where nothing was ever said. */
  get(scope: Scope, object: AclObject): Promise<AccessList>
  /** Every list of an object, by scope. */
  all(object: AclObject): Promise<ReadonlyMap<Scope, AccessList>>
  /** Objects of a scope that have a list. */
  objects(scope: Scope): Promise<AclObject[]>
  /** The statements of a list as they were signed. */
  statements(scope: Scope, object: AclObject): Promise<string[]>
  /** The list with its statements, verified anew. @throws MDM_STATEMENT when the stored ones do not hold */
  chain(scope: Scope, object: AclObject): Promise<Chain>
  /**
   * Verifies a founding statement and writes the new list, in the caller's transaction.
   *
   * @returns what to call once the transaction is committed
   */
  found(db: SiteQueries, jws: string, at: { scope: Scope; object: AclObject; now: Date }): Promise<() => void>
  /**
   * Writes what was appended to a list, in the caller's transaction.
   *
   * @throws MDM_STATEMENT_STALE when another statement came first
   * @returns what to call once the transaction is committed
   */
  extend(db: SiteQueries, before: Chain, after: Chain, now: Date): Promise<() => void>
  /** Reads everything anew: to be called when it is not known whether a transaction was committed. */
  forget(): void
}

/**
 * @param o `sealKey` is a key of the site: a list that was changed in the database by another hand does not fit its seal and
 *          is replayed from its signed statements
 */
export function openAccessLists(
  db: SiteStore,
  o: { site: SiteId; roster: () => TrustedRoster; sealKey: KeyObject },
): AccessLists {
  const cache = new Map<AclObject, Map<Scope, AccessList>>()
  const complete = new Set<AclObject>()
  /** counts calls of forget(): what was asked before one must not be kept after it */
  let era = 0

  const remember = (list: AccessList): void => {
    const lists = cache.get(list.object) ?? new Map<Scope, AccessList>()
    cache.set(list.object, lists)
    // A read that began before a commit must not put the old list back.
    if ((lists.get(list.scope)?.seq ?? -1) <= list.seq) lists.set(list.scope, withoutStatements(list))
  }

  const load = async (row: AccessListsTable, asked: number): Promise<AccessList> => {
    const list = await listOf(row)
    if (asked !== era) return list
    remember(list)
    return cache.get(row.object)!.get(row.scope)!
  }

  const listOf = async (row: AccessListsTable): Promise<AccessList> => {
    const cached = cache.get(row.object)?.get(row.scope)
    if (cached !== undefined && cached.seq >= row.seq) return cached
    if (sealFits(row, o.sealKey)) {
      const { scope, object, seq, head } = row
      return { ...(JSON.parse(row.state) as AccessList), site: o.site, scope, object, seq, head }
    }
    return await lists.chain(row.scope, row.object)
  }

  const lists: AccessLists = {
    async get(scope, object) {
      const cached = cache.get(object)?.get(scope)
      if (cached !== undefined) return cached
      if (complete.has(object)) return emptyChain(o.site, scope, object)
      const asked = era
      const row = await db
        .selectFrom('access_lists')
        .selectAll()
        .where('scope', '=', scope)
        .where('object', '=', object)
        .executeTakeFirst()
      if (row === undefined) return cache.get(object)?.get(scope) ?? emptyChain(o.site, scope, object)
      return await load(row, asked)
    },

    async all(object) {
      if (complete.has(object)) return cache.get(object) ?? new Map()
      const asked = era
      const rows = await db.selectFrom('access_lists').selectAll().where('object', '=', object).execute()
      const found = new Map<Scope, AccessList>()
      for (const row of rows) found.set(row.scope, await load(row, asked))
      if (asked !== era) return found
      complete.add(object)
      return cache.get(object) ?? found
    },

    async objects(scope) {
      const rows = await db
        .selectFrom('access_lists')
        .select('object')
        .where('scope', '=', scope)
        .orderBy('object')
        .execute()
      return rows.map((row) => row.object)
    },

    async statements(scope, object) {
      const rows = await db
        .selectFrom('statements')
        .select('jws')
        .where('scope', '=', scope)
        .where('object', '=', object)
        .orderBy('seq')
        .execute()
      return rows.map((row) => row.jws)
    },

    async chain(scope, object) {
      const statements = await lists.statements(scope, object)
      if (statements.length === 0) return emptyChain(o.site, scope, object)
      return await verifyChain(statements, { roster: o.roster(), site: o.site, scope, object })
    },

    async found(trx, jws, { scope, object, now }) {
      const founded = await verifyChain([jws], { roster: o.roster(), site: o.site, scope, object })
      return await lists.extend(trx, emptyChain(o.site, scope, object), founded, now)
    },

    async extend(trx, before, after, now) {
      const added = after.statements.slice(before.statements.length)
      const held = await trx
        .selectFrom('access_lists')
        .select('head')
        .where('scope', '=', after.scope)
        .where('object', '=', after.object)
        .executeTakeFirst()
      if ((held?.head ?? null) !== before.head) throw new MdmError('MDM_STATEMENT_STALE')
      for (const [i, jws] of added.entries()) {
        const seq = before.seq + 1 + i
        await trx
          .insertInto('statements')
          .values({
            scope: after.scope,
            object: after.object,
            seq,
            digest: jwsDigest(jws),
            jws,
            stored: now.toISOString(),
          })
          .execute()
      }
      const row = rowOf(after, o.sealKey)
      await trx
        .insertInto('access_lists')
        .values(row)
        .onConflict((conflict) => conflict.columns(['scope', 'object']).doUpdateSet(row))
        .execute()
      return () => remember(after)
    },

    forget() {
      era++
      cache.clear()
      complete.clear()
    },
  }
  return lists
}

function withoutStatements(list: AccessList): AccessList {
  const { statements: _, ...rest } = list as Chain
  return rest
}

function rowOf(chain: Chain, sealKey: KeyObject): AccessListsTable {
  const { statements: _, site: _site, scope, object, seq, head, ...state } = chain
  if (head === null) throw new MdmError('MDM_INTERNAL', 'an empty chain has no row')
  const row = { scope, object, seq, head, state: JSON.stringify(state) }
  return { ...row, seal: sealOf(row, sealKey) }
}

function sealOf(row: Omit<AccessListsTable, 'seal'>, sealKey: KeyObject): string {
  const { scope, object, seq, head, state } = row
  return createHmac('sha256', sealKey)
    .update(`mdm-access-list-v1\n${JSON.stringify([scope, object, seq, head, state])}`)
    .digest('hex')
}

function sealFits(row: AccessListsTable, sealKey: KeyObject): boolean {
  const [given, wanted] = [Buffer.from(row.seal, 'hex'), Buffer.from(sealOf(row, sealKey), 'hex')]
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
