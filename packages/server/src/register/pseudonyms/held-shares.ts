import { checkShare, verifyManifest, type KeyManifest } from '@mdm/core/crypto/manifest'
import { MdmError } from '@mdm/core/errors'
import type { KeyServerPeer } from '@mdm/core/grid/key-servers'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Guid, KeyServerId, Kid } from '@mdm/core/names'
import { getShares } from '@mdm/core/wire/key-server'
import type { Missing } from '../key-servers.ts'

const ANSWER_MS = 5_000

/** A share of the pseudonym key that fits the manifest it came with; the share itself was looked at and wiped. */
export interface HeldShare {
  readonly server: KeyServerId
  readonly manifest: KeyManifest
  readonly jws: string
}

export interface Holding {
  readonly held: readonly HeldShare[]
  /** servers that did not say what they hold */
  readonly silent: readonly Missing[]
}

/** What every key server holds of the pseudonym key, in the order of the roster; each answer is a record in its audit log. */
export async function heldShares(
  o: { servers: readonly KeyServerPeer[]; roster: TrustedRoster; guid: Guid },
  signal: AbortSignal,
): Promise<Holding> {
  const timely = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)])
  const answers = await Promise.all(
    o.servers.map(async ({ id, peer }): Promise<Holding> => {
      try {
        const { releases } = await peer.call(getShares, { params: { guid: o.guid } }, { signal: timely })
        const held = await Promise.all(
          releases.map(async ({ kid, manifest: jws, share }) => {
            const expected = { site: o.roster.body.site, guid: o.guid, kid }
            const manifest = await verifyManifest(jws, o.roster.signers, expected)
            checkShare(manifest, id, Buffer.from(share, 'base64')).fill(0)
            return { server: id, manifest, jws }
          }),
        )
        return { held, silent: [] }
      } catch (error) {
        signal.throwIfAborted()
        const code = error instanceof MdmError ? error.code : 'MDM_UNREACHABLE'
        if (code === 'MDM_NOT_FOUND') return { held: [], silent: [] }
        return { held: [], silent: [{ server: id, code }] }
      }
    }),
  )
  return { held: answers.flatMap(({ held }) => held), silent: answers.flatMap(({ silent }) => silent) }
}

/** The splits that can be combined, each as its shares; the key that was made first before others, its newest split first. */
export function wholeSplits(held: readonly HeldShare[]): HeldShare[][] {
  const splits = Map.groupBy(held, ({ manifest: { kid, epoch } }) => `${kid} ${epoch}`)
  return [...splits.values()]
    .filter((shares) => shares.length >= shares[0]!.manifest.m)
    .toSorted(([a], [b]) => order(a!.manifest, b!.manifest, firstMade(held)))
}

function order(a: KeyManifest, b: KeyManifest, made: ReadonlyMap<Kid, string>): number {
  if (a.kid === b.kid) return b.epoch - a.epoch
  const [first, second] = [made.get(a.kid)!, made.get(b.kid)!]
  return first === second ? (a.kid < b.kid ? -1 : 1) : first < second ? -1 : 1
}

function firstMade(held: readonly HeldShare[]): Map<Kid, string> {
  const made = new Map<Kid, string>()
  for (const { manifest } of held) {
    const before = made.get(manifest.kid)
    if (before === undefined || manifest.created < before) made.set(manifest.kid, manifest.created)
  }
  return made
}
