import { jwsDigest, peekJws } from '../crypto/jws.ts'
import { MdmError } from '../errors.ts'
import type { TrustedRoster } from '../identity/roster.ts'
import type { SiteId } from '../names.ts'
import type { AclObject, Scope } from '../wire/common.ts'
import { applyChange, isSiteObject } from './apply-change.ts'
import { StatementBody, type AclEntry } from './change.ts'
import { isAdministratorKey, verifySigner, type Judge } from './signer.ts'

/** How far a statement's time may lie from the clock of the server that takes it. */
export const FRESH_MS = 5 * 60_000

/** As many statements as one answer carries (wire/common). */
const MAX_STATEMENTS = 10_000

/** An access list and the signed statements it comes from: one chain per volume and object, or per ban list and group. */
export interface Chain {
  readonly site: SiteId
  readonly scope: Scope
  readonly object: AclObject
  /** of the last statement, -1 where there is none */
  readonly seq: number
  /** digest of the last statement */
  readonly head: string | null
  /** who has which rights; of bans and groups: who belongs to them */
  readonly entries: readonly AclEntry[]
  /** SPKI digests of the keys that statements appointed; the roster's administrators count besides */
  readonly administrators: readonly string[]
  readonly statements: readonly string[]
}

export function emptyChain(site: SiteId, scope: Scope, object: AclObject): Chain {
  return { site, scope, object, seq: -1, head: null, entries: [], administrators: [], statements: [] }
}

/**
 * Takes one new statement: next in order, chained, signed by one who counts today, within five minutes of its time.
 * A statement that the chain holds already leaves it as it is. A founding may be older, since registration waits for key
 * servers that are down, and it is taken once only.
 *
 * @throws MDM_STATEMENT when malformed, not of this list, or signed by nobody who counts
 * @throws MDM_STATEMENT_FORKED when another statement holds its place already
 * @throws MDM_STATEMENT_STALE when it does not follow the last one, or its time is not now
 */
export async function appendStatement(
  chain: Chain,
  jws: string,
  o: { roster: TrustedRoster; now: Date },
): Promise<Chain> {
  const body = bodyOf(jws)
  if (chain.statements[body.seq] === jws) return chain
  requireSameList(chain, body, o.roster)
  // Whose it is comes first: what nobody signed is no fork.
  await verifySigner(chain, jws, body, { roster: o.roster, live: true })
  if (body.seq <= chain.seq)
    throw new MdmError('MDM_STATEMENT_FORKED', `place ${body.seq} of the list is taken`)
  if (!follows(chain, body)) {
    throw new MdmError(
      'MDM_STATEMENT_STALE',
      `the list ends at ${chain.seq}, with another statement than this one follows`,
    )
  }
  const age = o.now.getTime() - Date.parse(body.time)
  if (age < -FRESH_MS || (age > FRESH_MS && body.change.op !== 'found')) {
    throw new MdmError('MDM_STATEMENT_STALE', 'the statement is not of these five minutes')
  }
  return extended(chain, jws, body)
}

/**
 * Takes statements that were missed, and the new one that follows them. Their age does not matter, since the new one names them
 * by its prev hash; but only one who counts already vouches so for what former administrators signed. Who is appointed by
 * what he brings does not: a former administrator could appoint himself again.
 *
 * @throws what verifyChain and appendStatement throw
 */
export async function appendWithMissed(
  chain: Chain,
  missed: readonly string[],
  jws: string,
  o: { roster: TrustedRoster; now: Date },
): Promise<Chain> {
  const { roster } = o
  const { site, scope, object } = chain
  // The signature under this name is verified below.
  const live = !isAdministratorKey(chain, peekJws(jws).kid, roster)
  const whole = await verifyChain(missed, { roster, site, scope, object, from: chain, live })
  const longer = await appendStatement(whole, jws, o)
  // One that the list held before vouches for nothing that comes after it.
  if (missed.length > 0 && longer.seq === whole.seq)
    throw new MdmError('MDM_STATEMENT_STALE', 'no new statement follows the ones that were missed')
  return longer
}

/**
 * Replays a chain from its first statement, without asking how old they are; what former keys of the roster signed counts.
 *
 * @param o `from` is a chain that was verified before: the statements go on from its end; `live` counts keys of today only
 * @throws MDM_STATEMENT as appendStatement
 * @throws MDM_STATEMENT_FORKED when the statements are not one unbroken chain
 */
export async function verifyChain(
  statements: readonly string[],
  o: { roster: TrustedRoster; site: SiteId; scope: Scope; object: AclObject; from?: Chain; live?: boolean },
): Promise<Chain> {
  const judge: Judge = { roster: o.roster, live: o.live ?? false }
  let chain = o.from ?? emptyChain(o.site, o.scope, o.object)
  for (const jws of statements) {
    const body = bodyOf(jws)
    requireSameList(chain, body, o.roster)
    await verifySigner(chain, jws, body, judge)
    if (!follows(chain, body)) throw new MdmError('MDM_STATEMENT_FORKED', 'the statements are not one chain')
    chain = extended(chain, jws, body)
  }
  return chain
}

function requireSameList(chain: Chain, body: StatementBody, roster: TrustedRoster): void {
  const { site, scope, object } = chain
  const same =
    body.site === site && body.scope === scope && body.object === object && roster.body.site === site
  if (!same || isSiteObject(object) !== (scope === 'site')) {
    throw new MdmError('MDM_STATEMENT', 'the statement is about another list')
  }
}

function follows(chain: Chain, body: StatementBody): boolean {
  return body.seq === chain.seq + 1 && body.prev === chain.head
}

function extended(chain: Chain, jws: string, body: StatementBody): Chain {
  if (body.seq >= MAX_STATEMENTS)
    throw new MdmError('MDM_STATEMENT', 'the list has as many statements as it may')
  const changed = applyChange(chain, body)
  return { ...chain, ...changed, seq: body.seq, head: jwsDigest(jws), statements: [...chain.statements, jws] }
}

function bodyOf(jws: string): StatementBody {
  try {
    return StatementBody.parse(peekJws(jws).payload)
  } catch (cause) {
    throw new MdmError('MDM_STATEMENT', 'the statement does not have the form of one', { cause })
  }
}
