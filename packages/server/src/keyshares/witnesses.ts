import { keyServerPeers, sitePeer } from '@mdm/core/access/session'
import { THE_SITE } from '@mdm/core/acl/catch-up'
import { MdmError } from '@mdm/core/errors'
import type { Peer } from '@mdm/core/grid/http'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { KeyServerId } from '@mdm/core/names'
import { getRosters, getStatements, type AclObject, type Scope } from '@mdm/core/wire/common'
import { getHeads, placeOf, type Head } from '@mdm/core/wire/witness'

/** How long one answer of a witness may take, and all its heads together, ms. */
const ANSWER_MS = 2_000
const HEADS_MS = 60_000

/** Another server that keeps the same lists: the site, or a key server of its roster. */
export interface Witness {
  /** 'site', or the id of a key server */
  readonly name: string
  /** Later rosters, in order. */
  rosters(since: number): Promise<readonly string[]>
  /** Where its lists end, by place. */
  heads(): Promise<ReadonlyMap<string, Head>>
  statements(scope: Scope, object: AclObject): Promise<readonly string[]>
  close(): Promise<void>
}

/** @param credential this key server's TLS certificate and key, by which the roster names it */
export function witnessesOf(
  roster: TrustedRoster,
  self: KeyServerId,
  o: { credential: { certificate: string; key: string }; signal: AbortSignal },
): Witness[] {
  const others = keyServerPeers(roster, o.credential).filter(({ id }) => id !== self)
  return [
    peerWitness(THE_SITE, sitePeer(roster, o.credential), roster, o.signal),
    ...others.map(({ id, peer }) => peerWitness(id, peer, roster, o.signal)),
  ]
}

/** Another server as a witness, over a connection that is there. */
export function peerWitness(name: string, peer: Peer, roster: TrustedRoster, stop: AbortSignal): Witness {
  const { site } = roster.body
  /** What never answers must not look like an abort of ours. */
  const timely = async <T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const slow = AbortSignal.timeout(ANSWER_MS)
    return await ask(AbortSignal.any([stop, slow])).catch((error: unknown) => {
      throw slow.aborted ? new MdmError('MDM_UNREACHABLE') : error
    })
  }
  return {
    name,
    rosters: async (since) =>
      (await timely((signal) => peer.call(getRosters, { params: { site }, query: { since } }, { signal })))
        .rosters,

    async heads() {
      const heads = new Map<string, Head>()
      const end = performance.now() + HEADS_MS
      for (let after: string | undefined; ;) {
        const page = await timely((signal) =>
          peer.call(getHeads, { params: { site }, query: { after } }, { signal }),
        )
        for (const head of page.heads) heads.set(placeOf(head), head)
        if (page.next === undefined) return heads
        // One that gives the same page again would keep us here.
        if (page.next <= (after ?? '') || performance.now() > end) throw new MdmError('MDM_BAD_REQUEST')
        after = page.next
      }
    },

    statements: async (scope, object) =>
      (await timely((signal) => peer.call(getStatements, { params: { site, scope, object } }, { signal })))
        .statements,

    close: () => peer.close(),
  }
}
