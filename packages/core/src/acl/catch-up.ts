import { peekJws } from '../crypto/jws.ts'
import { MdmError, type ErrorCode } from '../errors.ts'
import type { TrustedRoster } from '../identity/roster.ts'
import { verifyChain, type Chain } from './chain.ts'
import { isAdministratorKey } from './signer.ts'

/** One list as another server shows it, from its first statement on. */
export interface Offer {
  /** 'site', or the id of a key server */
  readonly witness: string
  readonly statements: readonly string[]
}

export interface Refused {
  readonly witness: string
  readonly code: ErrorCode
}

export interface CaughtUp {
  readonly chain: Chain
  /** offers that were not taken, or not to their end, and why; the list held stays in force */
  readonly refused: readonly Refused[]
  /**
   * somebody who left signed what nobody vouches for, which may be of his time or made up since; or two servers go on from what
   * is held in different ways: nothing may be released by this list
   */
  readonly inDoubt: boolean
}

/** The name of the site among witnesses. */
export const THE_SITE = 'site'

/**
 * Brings a list up to date from what other servers show. What the site and a key server, or m key servers, show alike is taken
 * first. Of the rest, statements by keys of today count whoever shows them; former keys count only where an administrator whom
 * the held list names signed after them: a single server could have made up the rest with somebody who left.
 *
 * A fork of what is held is refused: the list that is held stays in force. Two servers that go on from it in different ways,
 * with nobody to vouch for either, leave it as it is and in doubt.
 */
export async function catchUp(
  held: Chain,
  offers: readonly Offer[],
  o: { roster: TrustedRoster },
): Promise<CaughtUp> {
  const { roster } = o
  const refused: Refused[] = []
  const follows = async (chain: Chain): Promise<Offer[]> => {
    const rest: Offer[] = []
    for (const offer of offers) {
      if (!isFork(chain, offer)) rest.push(offer)
      else if (!refused.some(({ witness }) => witness === offer.witness))
        refused.push({ witness: offer.witness, code: await faultOfFork(chain, offer, roster) })
    }
    return rest
  }
  let chain = held
  for (const offer of await follows(held)) {
    const length = vouched(offer, offers, roster)
    if (length <= chain.seq + 1 || isFork(chain, offer)) continue
    chain = (await extended(chain, offer, { roster, history: length, end: length })).chain
  }
  let inDoubt = false
  const ends: { offer: Offer; chain: Chain }[] = []
  for (const offer of await follows(chain)) {
    const history = signedByOneHeld(held, offer, roster)
    const end = await extended(chain, offer, { roster, history, end: offer.statements.length })
    if (end.code !== undefined) refused.push({ witness: offer.witness, code: end.code })
    inDoubt ||= end.inDoubt
    ends.push({ offer, chain: end.chain })
  }
  const [longest] = ends.toSorted((a, b) => b.chain.seq - a.chain.seq)
  const others = ends.filter((end) =>
    isFork(longest!.chain, { ...end.offer, statements: end.chain.statements }),
  )
  if (longest === undefined || others.length === 0)
    return { chain: longest?.chain ?? chain, refused, inDoubt }
  for (const { offer } of [longest, ...others])
    refused.push({ witness: offer.witness, code: 'MDM_STATEMENT_FORKED' })
  return { chain, refused, inDoubt: true }
}

/** Goes on with the statements of an offer as far as they count. */
async function extended(
  from: Chain,
  offer: Offer,
  o: { roster: TrustedRoster; history: number; end: number },
): Promise<{ chain: Chain; code?: ErrorCode; inDoubt: boolean }> {
  const { roster } = o
  let chain = from
  for (const [seq, jws] of offer.statements.slice(0, o.end).entries()) {
    if (seq <= chain.seq) continue
    const live = seq >= o.history
    try {
      chain = await next(chain, jws, { roster, live })
    } catch (error) {
      return { chain, code: codeOf(error), inDoubt: live && (await isFormer(chain, jws, roster)) }
    }
  }
  return { chain, inDoubt: false }
}

function next(chain: Chain, jws: string, o: { roster: TrustedRoster; live: boolean }): Promise<Chain> {
  const { site, scope, object } = chain
  return verifyChain([jws], { ...o, site, scope, object, from: chain })
}

function isFork({ statements }: Chain, offer: Offer): boolean {
  return offer.statements.some((jws, i) => i < statements.length && jws !== statements[i])
}

/** What was signed is a fork; what was not is a lie and says nothing of any administrator. */
async function faultOfFork(chain: Chain, offer: Offer, roster: TrustedRoster): Promise<ErrorCode> {
  const { site, scope, object } = chain
  try {
    await verifyChain(offer.statements, { roster, site, scope, object })
    return 'MDM_STATEMENT_FORKED'
  } catch (error) {
    return codeOf(error)
  }
}

/** How many statements of an offer the site and a key server show alike, or m key servers. */
function vouched(offer: Offer, offers: readonly Offer[], roster: TrustedRoster): number {
  const alike = offers.map(({ witness, statements }) => {
    const differs = offer.statements.findIndex((jws, i) => statements[i] !== jws)
    return { witness, length: differs < 0 ? offer.statements.length : differs }
  })
  for (let length = offer.statements.length; length > 0; length--) {
    const witnesses = new Set(alike.filter((a) => a.length >= length).map((a) => a.witness))
    const bySite = witnesses.delete(THE_SITE)
    if (witnesses.size >= roster.body.m || (bySite && witnesses.size > 0)) return length
  }
  return 0
}

/** Up to the last statement of one whom the held list names; that he signed it is verified with the rest. */
function signedByOneHeld(held: Chain, { statements }: Offer, roster: TrustedRoster): number {
  const last = statements.findLastIndex(
    (jws, i) => i > held.seq && isAdministratorKey(held, kidOf(jws), roster),
  )
  return last + 1
}

function kidOf(jws: string): string {
  try {
    return peekJws(jws).kid
  } catch {
    return ''
  }
}

async function isFormer(chain: Chain, jws: string, roster: TrustedRoster): Promise<boolean> {
  return await next(chain, jws, { roster, live: false }).then(
    () => true,
    () => false,
  )
}

function codeOf(error: unknown): ErrorCode {
  return error instanceof MdmError ? error.code : 'MDM_STATEMENT'
}
