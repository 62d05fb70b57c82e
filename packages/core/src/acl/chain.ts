import type { KeyObject } from 'node:crypto'
import { jwsDigest, peekJws, verifyJws } from '../crypto/jws.ts'
import { keyFromSpki, spkiDigest } from '../crypto/spki.ts'
import { MdmError } from '../errors.ts'
import type { TrustedRoster } from '../identity/roster.ts'
import type { SiteId } from '../names.ts'
import type { AclObject, Scope } from '../wire/common.ts'
import { rightsOf, StatementBody, type AclEntry } from './change.ts'
import { samePrincipal, type Principal } from './principal.ts'

export const STATEMENT_TYP = 'mdm-statement+jwt'

/** How far a statement's time may lie from the clock of the server that takes it. */
export const FRESH_MS = 5 * 60_000

const MAX_ENTRIES = 10_000

/** An access list and the signed statements it comes from: one chain per volume and object, or per ban list and group. */
export interface Chain {
  readonly site: SiteId
  readonly scope: Scope
  readonly object: AclObject
  /** of the last statement, -1 where there is none */
  readonly seq: number
  /** digest of the last statement */
  readonly head: string | null
  readonly entries: readonly AclEntry[]
  /** SPKI digests of the keys that statements appointed; the roster's administrators count besides */
  readonly administrators: readonly string[]
  readonly statements: readonly string[]
}

export function emptyChain(site: SiteId, scope: Scope, object: AclObject): Chain {
  return { site, scope, object, seq: -1, head: null, entries: [], administrators: [], statements: [] }
}

/**
 * Takes one new statement: next in order, chained, signed by one who counts, within five minutes of its time.
 * The last statement again leaves the chain as it is.
 *
 * @throws MDM_STATEMENT | MDM_STATEMENT_STALE | MDM_STATEMENT_FORKED (another statement holds this place already)
 */
export async function appendStatement(
  chain: Chain,
  jws: string,
  o: { roster: TrustedRoster; now: Date },
): Promise<Chain> {
  const body = bodyOf(jws)
  const held = chain.statements[body.seq]
  if (held === jws) return chain
  const next = await extend(chain, jws, body, { roster: o.roster, live: true })
  if (Math.abs(Date.parse(body.time) - o.now.getTime()) > FRESH_MS) {
    throw new MdmError('MDM_STATEMENT_STALE', 'the statement is not of these five minutes')
  }
  return next
}

/** Replays a chain from its first statement, without asking how old they are. @throws MDM_STATEMENT* */
export async function verifyChain(
  statements: readonly string[],
  o: { roster: TrustedRoster; site: SiteId; scope: Scope; object: AclObject },
): Promise<Chain> {
  let chain = emptyChain(o.site, o.scope, o.object)
  for (const jws of statements)
    chain = await extend(chain, jws, bodyOf(jws), { roster: o.roster, live: false })
  return chain
}

/** How strictly a signer is judged: a new statement needs a key of today, a replayed one may be by a former key. */
interface Judge {
  readonly roster: TrustedRoster
  readonly live: boolean
}

async function extend(chain: Chain, jws: string, body: StatementBody, o: Judge): Promise<Chain> {
  const { site, scope, object } = chain
  if (body.site !== site || body.scope !== scope || body.object !== object || o.roster.body.site !== site) {
    throw new MdmError('MDM_STATEMENT', 'the statement is about another list')
  }
  // Whose it is comes first: what nobody signed is no fork.
  await verifySigner(chain, jws, body, o)
  if (body.seq <= chain.seq)
    throw new MdmError('MDM_STATEMENT_FORKED', `place ${body.seq} of the list is taken by another statement`)
  if (body.seq !== chain.seq + 1)
    throw new MdmError(
      'MDM_STATEMENT_STALE',
      `the statement is number ${body.seq}, the list ends at ${chain.seq}`,
    )
  if (body.prev !== chain.head)
    throw new MdmError('MDM_STATEMENT_FORKED', 'the statement follows another one than the last')
  const changed = apply(chain, body)
  return { ...chain, ...changed, seq: body.seq, head: jwsDigest(jws), statements: [...chain.statements, jws] }
}

/** Seq 0 of a volume is the site's; all else is an administrator's own key, whatever name a certificate gives it. */
async function verifySigner(chain: Chain, jws: string, body: StatementBody, o: Judge): Promise<void> {
  const { kid } = peekJws(jws)
  const founding = body.change.op === 'found'
  if (founding !== (body.seq === 0 && body.scope !== 'site')) {
    throw new MdmError('MDM_STATEMENT', 'only the first statement about a volume founds its list')
  }
  const key = founding ? foundingKey(kid, o) : administratorKey(chain, kid, body.key, o)
  if (key === undefined) throw new MdmError('MDM_STATEMENT')
  await verifyJws(jws, key, STATEMENT_TYP).catch((cause: unknown) => {
    throw new MdmError('MDM_STATEMENT', undefined, { cause })
  })
}

/** A key that signs no longer still proves what it signed. */
function foundingKey(kid: string, { roster, live }: Judge): KeyObject | undefined {
  const signer = roster.signers.find((s) => s.kid === kid)?.key
  return signer !== undefined && (!live || roster.signing.has(spkiDigest(signer))) ? signer : undefined
}

function administratorKey(
  chain: Chain,
  kid: string,
  spki: string | undefined,
  { roster, live }: Judge,
): KeyObject | undefined {
  if (spki === undefined || digestOf(spki) !== kid) return undefined
  const former = live ? [] : (roster.body.formerAdministrators ?? [])
  const counts = isAdministratorKey(chain, kid, roster) || former.some((a) => a.spki === kid)
  return counts ? keyFromSpki(spki) : undefined
}

/** True for a key that may change this list today: the roster's administrators, and those appointed since. */
export function isAdministratorKey(
  chain: Pick<Chain, 'administrators'>,
  spkiDigest: string,
  roster: TrustedRoster,
): boolean {
  return roster.administrators.has(spkiDigest) || chain.administrators.includes(spkiDigest)
}

function apply(chain: Chain, { object, change, expires }: StatementBody): Partial<Chain> {
  if (expires !== undefined && change.op !== 'grant')
    throw new MdmError('MDM_STATEMENT', 'only a grant can expire')
  const { entries, administrators } = chain
  const without = (who: Principal) => entries.filter((e) => !samePrincipal(e.to, who))
  const member = (who: Principal): AclEntry => ({ to: who, rights: [], versions: 'all' })
  const on = (fits: boolean) => {
    if (!fits) throw new MdmError('MDM_STATEMENT', `"${change.op}" is no change of "${object}"`)
  }
  switch (change.op) {
    case 'found':
      return { entries: change.entries.map((e) => fitting(object, e)) }
    case 'grant':
      on(rightsOf(object).length > 0)
      return { entries: bounded([...entries, fitting(object, soonest(change.entry, expires))]) }
    case 'revoke':
      on(rightsOf(object).length > 0)
      return { entries: without(change.from) }
    case 'appoint':
      return { administrators: [...new Set([...administrators, change.administrator.spki])].slice(0, 1000) }
    case 'dismiss':
      // The roster's administrators are not in this list, so one who may change it always remains.
      return { administrators: administrators.filter((key) => key !== change.spki) }
    case 'ban':
    case 'unban':
      on(object === 'ban')
      return {
        entries: bounded([...without(change.who), ...(change.op === 'ban' ? [member(change.who)] : [])]),
      }
    case 'join':
    case 'leave':
      on(object.startsWith('group:'))
      return {
        entries: bounded([
          ...without(change.member),
          ...(change.op === 'join' ? [member(change.member)] : []),
        ]),
      }
  }
}

function fitting(object: AclObject, entry: AclEntry): AclEntry {
  if (entry.rights.length > 0 && entry.rights.every((right) => rightsOf(object).includes(right))) return entry
  throw new MdmError('MDM_STATEMENT', `these are no rights on "${object}"`)
}

function soonest(entry: AclEntry, expires: string | undefined): AclEntry {
  const ends = [entry.expires, expires].filter((e) => e !== undefined).toSorted()
  return ends[0] === undefined ? entry : { ...entry, expires: ends[0] }
}

function bounded(entries: readonly AclEntry[]): readonly AclEntry[] {
  if (entries.length > MAX_ENTRIES) throw new MdmError('MDM_STATEMENT', 'the list is full')
  return entries
}

function digestOf(spki: string): string {
  return spkiDigest(Buffer.from(spki, 'base64'))
}

function bodyOf(jws: string): StatementBody {
  const parsed = StatementBody.safeParse(peekJws(jws).payload)
  if (!parsed.success) throw new MdmError('MDM_STATEMENT', 'the statement does not have the form of one')
  return parsed.data
}
