import type { KeyObject } from 'node:crypto'
import { combineShares } from '../crypto/file-key.ts'
import { jwsDigest } from '../crypto/jws.ts'
import { checkShare, verifyManifest, type KeyManifest } from '../crypto/manifest.ts'
import { MdmError, type ErrorCode } from '../errors.ts'
import type { Guid, Kid, KeyServerId, SiteId } from '../names.ts'
import { getShares, type Release } from '../wire/key-server.ts'
import type { Peer } from './http.ts'

/** How long all key servers together may take before too few have answered (FLOW 2). */
const ANSWER_TIMEOUT_MS = 2_500
/** 100 releases at the most; a server that sends more is lying or broken. */
const MAX_REPLY_BYTES = 1024 * 1024

const LIES = new Set<ErrorCode>([
  'MDM_BAD_SHARE',
  'MDM_MANIFEST',
  'MDM_COMMITMENT',
  'MDM_BAD_REQUEST',
  'MDM_PEER',
])

export interface KeyServerPeer {
  readonly id: KeyServerId
  readonly peer: Peer
}

/** A key server that did not help, and why: MDM_BAD_SHARE and MDM_MANIFEST mean that it lied. */
export interface KeyServerFault {
  readonly server: KeyServerId
  readonly code: ErrorCode
}

export interface GatheredKey {
  readonly fileKey: KeyObject
  readonly manifest: KeyManifest
}

export interface GatherOptions {
  readonly servers: readonly KeyServerPeer[]
  readonly site: SiteId
  readonly guid: Guid
  /** Which key: known at once, or when the container's header is there. */
  readonly kid: Kid | Promise<Kid>
  /** m of the roster: tells "nobody knows" from "too few answer" before a manifest is there. */
  readonly threshold: number
  /** The roster's signing keys, which alone may sign a manifest. */
  readonly signers: readonly { kid: string; key: KeyObject }[]
  /** The manifest the asker holds already (the site); another one is then a fault. */
  readonly manifest?: string
  readonly signal?: AbortSignal | undefined
  /** Called for each server that did not help, also after the key is there. */
  readonly onFault?: (fault: KeyServerFault) => void
  /** Called for each server that answered at all, before anyone knows whether its share is good. */
  readonly onAnswer?: () => void
  readonly timeoutMs?: number
}

/**
 * Asks every key server at once and rebuilds the file key from the first m shares that fit one signed manifest
 * (paper 3.3). A share that does not fit never takes part, and its server is named.
 *
 * @throws MDM_NOT_FOUND when so many servers know no key for this caller that m shares cannot come
 * @throws MDM_BELOW_THRESHOLD when servers are silent or lie; `details.faults` names them
 */
export async function gatherFileKey(o: GatherOptions): Promise<GatheredKey> {
  const silence = new AbortController()
  const timer = setTimeout(
    () => silence.abort(new MdmError('MDM_UNREACHABLE')),
    o.timeoutMs ?? ANSWER_TIMEOUT_MS,
  )
  timer.unref()
  const signal = o.signal === undefined ? silence.signal : AbortSignal.any([o.signal, silence.signal])
  const tally = new Tally(o)
  const kid = Promise.resolve(o.kid)
  return await new Promise<GatheredKey>((resolve, reject) => {
    const onAbort = () => reject(o.signal!.reason as Error)
    o.signal?.addEventListener('abort', onAbort, { once: true })
    if (o.signal?.aborted === true) onAbort()
    kid.catch(reject)
    const answers = o.servers.map(async ({ id, peer }) => {
      try {
        const { releases } = await peer.call(
          getShares,
          { params: { guid: o.guid } },
          { signal, maxReplyBytes: MAX_REPLY_BYTES },
        )
        o.onAnswer?.()
        tally.add(id, await firstGood(releases, id, await kid, o))
      } catch (error) {
        // Nobody waits any more: a call that was cut short says nothing of its server.
        if (o.signal?.aborted === true) return
        tally.miss(id, error instanceof MdmError ? error.code : 'MDM_INTERNAL')
      }
      const end = tally.verdict()
      if (end instanceof MdmError) reject(end)
      else if (end !== undefined) resolve(end)
    })
    // Late answers are still read, so that a liar is named; they keep nothing waiting.
    void Promise.all(answers).then(() => {
      clearTimeout(timer)
      o.signal?.removeEventListener('abort', onAbort)
    })
  })
}

interface Good {
  readonly manifest: KeyManifest
  readonly digest: string
  readonly share: Buffer
}

/** Who answered what; the first manifest with m good shares wins, all else is a fault. */
class Tally {
  readonly #o: GatherOptions
  readonly #faults: KeyServerFault[] = []
  readonly #groups = new Map<
    string,
    { manifest: KeyManifest; shares: { server: KeyServerId; share: Buffer }[] }
  >()
  #winner: string | undefined

  constructor(o: GatherOptions) {
    this.#o = o
  }

  add(server: KeyServerId, { manifest, digest, share }: Good): void {
    if (this.#winner !== undefined) {
      if (digest !== this.#winner) this.#fault(server, 'MDM_BAD_SHARE')
      share.fill(0)
      return
    }
    const group = this.#groups.get(digest) ?? { manifest, shares: [] }
    this.#groups.set(digest, group)
    group.shares.push({ server, share })
  }

  /** Once the key is there, only lies are still of interest: silence is not. */
  miss(server: KeyServerId, code: ErrorCode): void {
    if (this.#winner === undefined || LIES.has(code)) this.#fault(server, code)
  }

  /** The key when m shares of one manifest are there, the error when that cannot happen any more, else undefined. */
  verdict(): GatheredKey | MdmError | undefined {
    if (this.#winner !== undefined) return undefined
    for (const [digest, { manifest, shares }] of this.#groups) {
      if (shares.length < manifest.m) continue
      this.#winner = digest
      for (const [other, group] of this.#groups) {
        if (other !== digest) for (const s of group.shares) this.#fault(s.server, 'MDM_BAD_SHARE')
      }
      try {
        return { fileKey: combineShares(manifest, shares), manifest }
      } catch (error) {
        return error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
      }
    }
    const n = this.#o.servers.length
    const m = [...this.#groups.values()][0]?.manifest.m ?? this.#o.threshold
    const unknown = this.#faults.filter((f) => f.code === 'MDM_NOT_FOUND').length
    if (unknown > n - m) return new MdmError('MDM_NOT_FOUND', 'no key server has this key for you')
    const waiting = n - this.#faults.length - this.#shares()
    // Which server answers first must not decide between "not for you" and "too few": both need their last word.
    const open = this.#faults.length <= n - m || unknown + waiting > n - m
    return waiting > 0 && open ? undefined : this.#short(n, m)
  }

  #shares(): number {
    return [...this.#groups.values()].reduce((sum, g) => sum + g.shares.length, 0)
  }

  #short(n: number, m: number): MdmError {
    const faults = this.#faults.map((f) => ({ server: f.server.slice(0, 12), code: f.code }))
    const text = `${n - faults.length} of ${n} key servers can give a share, ${m} are needed`
    return new MdmError('MDM_BELOW_THRESHOLD', text, { details: { faults } })
  }

  #fault(server: KeyServerId, code: ErrorCode): void {
    this.#faults.push({ server, code })
    this.#o.onFault?.({ server, code })
  }
}

async function firstGood(
  releases: readonly Release[],
  server: KeyServerId,
  kid: Kid,
  o: GatherOptions,
): Promise<Good> {
  let failure: unknown = new MdmError('MDM_NOT_FOUND')
  const candidates = releases.filter((r) => r.kid === kid)
  // The newest epoch first: a server between two re-splits holds both.
  for (const candidate of candidates.toSorted((a, b) => b.epoch - a.epoch)) {
    try {
      const digest = jwsDigest(candidate.manifest)
      if (o.manifest !== undefined && jwsDigest(o.manifest) !== digest) throw new MdmError('MDM_BAD_SHARE')
      const manifest = await verifyManifest(candidate.manifest, o.signers, {
        site: o.site,
        guid: o.guid,
        kid,
      })
      return { manifest, digest, share: checkShare(manifest, server, Buffer.from(candidate.share, 'base64')) }
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
