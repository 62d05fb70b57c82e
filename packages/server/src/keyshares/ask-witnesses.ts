import type { Offer } from '@mdm/core/acl/catch-up'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import { acceptRoster, rosterFingerprint, type TrustedRoster } from '@mdm/core/identity/roster'
import { takesAway } from '@mdm/core/identity/roster-losses'
import { jwsDigest } from '@mdm/core/crypto/jws'
import type { Head } from '@mdm/core/wire/witness'
import type { Log } from '../http/log.ts'
import type { SiteState } from './catch-up.ts'
import { digestAt, type ChainName } from './chain-store.ts'
import { allHeads } from './heads.ts'
import type { KeyServer } from './key-server.ts'
import { guidOf, takeStatements } from './take-statements.ts'
import type { Witness } from './witnesses.ts'

interface Round {
  readonly roster: TrustedRoster
  /** those to ask now */
  readonly witnesses: readonly Witness[]
  readonly state: SiteState
  readonly log: Log
}

/**
 * One round: asks witnesses for later rosters and for their heads, and takes what is missing here. A witness that answered is
 * noted; what it claims and cannot show, or shows unsigned, is named in log and audit and then ignored.
 */
export async function askWitnesses(server: KeyServer, round: Round): Promise<void> {
  const { roster, state } = round
  const { site } = roster.body
  const claims = await Promise.all(
    round.witnesses.map(async (witness) => {
      try {
        await takeRosters(server, round, witness)
        return [{ witness, heads: await witness.heads() }]
      } catch (error) {
        // Silence is no claim. The codes of refusals are for the operator.
        round.log.warn({ event: 'witness-silent', code: codeOf(error) })
        return []
      }
    }),
  )
  // Under a later roster the next round begins anew.
  if (server.rosters.of(site)?.digest !== roster.digest) return
  const answers = claims.flat()
  const own = await allHeads(server.db, site)
  const places = new Set(answers.flatMap(({ heads }) => [...heads.keys()]))
  const silent = new Set<string>()
  for (const place of places) {
    const ahead: { witness: Witness; head: Head }[] = []
    for (const { witness, heads } of answers) {
      const head = heads.get(place)
      if (head !== undefined && isOfKeyServers(head) && (await differs(server, site, own.get(place), head)))
        ahead.push({ witness, head })
    }
    if (ahead.length > 0) await takeList(server, round, ahead, silent)
  }
  for (const { witness } of answers) if (!silent.has(witness.name)) state.answered.add(witness.name)
}

/** One list that some witnesses have further, or otherwise, than this server. */
async function takeList(
  server: KeyServer,
  round: Round,
  ahead: readonly { witness: Witness; head: Head }[],
  silent: Set<string>,
): Promise<void> {
  const { roster, state } = round
  const { scope, object } = ahead[0]!.head
  const name: ChainName = { site: roster.body.site, scope, object }
  const offers = await Promise.all(
    ahead.map(async ({ witness, head }): Promise<Offer[]> => {
      try {
        const statements = await witness.statements(scope, object)
        if (statements[head.seq] === undefined || jwsDigest(statements[head.seq]!) !== head.head)
          throw new MdmError('MDM_STATEMENT')
        return [{ witness: witness.name, statements }]
      } catch (error) {
        const code = codeOf(error)
        if (
          code === 'MDM_UNREACHABLE' ||
          code === 'MDM_AUDIT' ||
          code === 'MDM_STORE' ||
          code === 'MDM_LIMIT'
        )
          silent.add(witness.name)
        else await refuse(server, round, name, witness.name, code)
        return []
      }
    }),
  )
  const { refused, inDoubt } = await takeStatements(server, name, offers.flat(), roster)
  for (const { witness, code } of refused) await refuse(server, round, name, witness, code)
  if (inDoubt) state.doubts.set(scope, new Set(refused.map(({ witness }) => witness)))
  else state.doubts.delete(scope)
}

/** Named, so that its operator can be asked; then ignored. */
async function refuse(
  server: KeyServer,
  round: Round,
  name: ChainName,
  witness: string,
  code: ErrorCode,
): Promise<void> {
  round.log.warn({ event: 'witness-refused', code })
  await server.audit.record({
    eventId: `witness-refused:${witness}:${name.scope}:${name.object}:${code}`,
    event: 'witness-refused',
    outcome: 'refused',
    code,
    ...guidOf(name.scope),
    ...{ site: name.site, object: name.object, facts: { witness } },
  })
}

/** Later rosters first: they say whose signatures count. */
async function takeRosters(server: KeyServer, { roster, state }: Round, witness: Witness): Promise<void> {
  const { site, seq } = roster.body
  for (const jws of await witness.rosters(seq + 1)) {
    try {
      await server.rosters.offer(jws, {
        before: ({ body, digest }) =>
          server.audit.record({
            ...{ event: 'roster-accepted', outcome: 'done', site },
            facts: { seq: body.seq, digest, witness: witness.name },
          }),
      })
    } catch (error) {
      if (codeOf(error) !== 'MDM_ROSTER') throw error
      const current = server.rosters.of(site)!
      const later = await acceptRoster(current, jws, { fingerprint: rosterFingerprint(jws) }).catch(
        () => undefined,
      )
      // What lacks only the operator's word is real. One that does not follow is no roster of this site.
      if (later !== undefined && takesAway(current.body, later.body)) state.heldRoster.add(witness.name)
      return
    }
  }
  state.heldRoster.delete(witness.name)
}

/** True when a witness is further than this server, or tells another story about what both have. */
async function differs(
  server: KeyServer,
  site: ChainName['site'],
  own: Head | undefined,
  theirs: Head,
): Promise<boolean> {
  if (own === undefined || theirs.seq > own.seq) return true
  if (theirs.seq === own.seq) return theirs.head !== own.head
  return (
    (await digestAt(server.db, { site, scope: theirs.scope, object: theirs.object }, theirs.seq)) !==
    theirs.head
  )
}

/** A key server keeps key lists, bans and groups; what else a witness speaks of is not its matter. */
function isOfKeyServers({ scope, object }: Head): boolean {
  return scope === 'site' ? object === 'ban' || object.startsWith('group:') : object === 'key'
}

function codeOf(error: unknown): ErrorCode {
  return error instanceof MdmError ? error.code : 'MDM_INTERNAL'
}
