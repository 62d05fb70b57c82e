import { z } from 'zod'
import { isAdministrator } from '@mdm/core/acl/evaluate'
import { appendStatement, appendWithMissed, type Chain } from '@mdm/core/acl/statement'
import { peekJws } from '@mdm/core/crypto/jws'
import { isGridService } from '@mdm/core/identity/identify'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { MdmError } from '@mdm/core/errors'
import { SiteId } from '@mdm/core/names'
import { AclObject, Scope } from '@mdm/core/wire/common'
import { auditCaller } from '../audit/audit-caller.ts'
import type { RequestContext } from '../http/route.ts'
import { inTransaction } from '../store/transaction.ts'
import { chainState, extendChain, wholeChain, type ChainName } from './chain-store.ts'
import type { ServingKeyServer } from './key-server.ts'
import { ownerOf } from './share-store.ts'
import { standingOf } from './standing.ts'

interface Posted {
  readonly statement: string
  readonly earlier?: string[] | undefined
}

/**
 * The whole chain of a key, or of the site's bans and groups.
 *
 * @throws MDM_NOT_FOUND but to its administrators and the services of the roster
 */
export async function readStatements(
  server: ServingKeyServer,
  c: RequestContext<ChainName, unknown, unknown>,
): Promise<{ statements: string[] }> {
  const name = c.params
  const standing = await standingOf(server, c.chain, name.site)
  if (!(await isKeptHere(server, name)) || standing === undefined) throw new MdmError('MDM_NOT_FOUND')
  const service = isGridService(standing.caller, name.site)
  // Before the statements are read: how long that takes says how many there are.
  const list = await chainState(server.db, name)
  if (!service && !isAdministrator(list, standing.caller, standing.roster))
    throw new MdmError('MDM_NOT_FOUND')
  return { statements: [...(await wholeChain(server.db, name)).statements] }
}

/**
 * Appends a statement that an administrator brings; the same one again changes nothing.
 *
 * @throws MDM_NOT_FOUND when the caller is no administrator of the object, before and after
 * @throws MDM_STATEMENT, MDM_STATEMENT_STALE, MDM_STATEMENT_FORKED
 */
export async function acceptStatement(
  server: ServingKeyServer,
  c: RequestContext<unknown, unknown, Posted>,
): Promise<{ seq: number; head: string }> {
  const name = nameOf(c.body.statement)
  const standing = await standingOf(server, c.chain, name.site)
  if (standing === undefined) throw new MdmError('MDM_NOT_FOUND')
  // Before anything of the list is looked at: whoever administered it when it was this old may not any more.
  server.catchUp.requireServing(name.site)
  if (!(await isKeptHere(server, name))) throw new MdmError('MDM_NOT_FOUND')
  const { caller, roster } = standing
  return await inTransaction(server.db, async (trx) => {
    const before = await wholeChain(trx, name)
    const known = isAdministrator(before, caller, roster)
    const after = await advance(before, c.body, roster, server.now()).catch((error: unknown) => {
      throw known ? error : new MdmError('MDM_NOT_FOUND')
    })
    if (!known && !isAdministrator(after, caller, roster)) throw new MdmError('MDM_NOT_FOUND')
    const answer = { seq: after.seq, head: after.head! }
    if (after.seq === before.seq) return answer
    await extendChain(trx, name, before, after)
    await server.audit.record({
      eventId: `statement:${answer.head}`,
      event: 'statement-accepted',
      outcome: 'done',
      caller: auditCaller(caller),
      site: name.site,
      ...(name.scope === 'site' ? {} : { guid: name.scope }),
      object: name.object,
      requestId: c.requestId,
      facts: { seq: after.seq, head: answer.head, caughtUp: after.seq - before.seq - 1 },
    })
    return answer
  })
}

/** The chain a statement belongs to, by its own words; they are verified when it is appended. */
function nameOf(statement: string): ChainName {
  const claimed = z
    .object({ site: SiteId, scope: Scope, object: AclObject })
    .safeParse(peekJws(statement).payload)
  if (!claimed.success) throw new MdmError('MDM_BAD_REQUEST', 'the statement does not say what it is about')
  return claimed.data
}

/** A key server keeps the key's list of the GUIDs it holds, and the bans and groups of the sites it trusts; nothing else. */
async function isKeptHere(server: ServingKeyServer, { site, scope, object }: ChainName): Promise<boolean> {
  if (scope === 'site') return object === 'ban' || object.startsWith('group:')
  return object === 'key' && (await ownerOf(server.db, scope)) === site
}

async function advance(before: Chain, posted: Posted, roster: TrustedRoster, now: Date): Promise<Chain> {
  const missed: string[] = []
  for (const jws of posted.earlier ?? []) {
    if (seqOf(jws) > before.seq) missed.push(jws)
    // One that is held changes nothing; another one in its place is a fork.
    else await appendStatement(before, jws, { roster, now })
  }
  return await appendWithMissed(before, missed, posted.statement, { roster, now })
}

function seqOf(jws: string): number {
  const claimed = z.object({ seq: z.int().min(0) }).safeParse(peekJws(jws).payload)
  if (!claimed.success) throw new MdmError('MDM_BAD_REQUEST', 'an earlier statement names no place')
  return claimed.data.seq
}
