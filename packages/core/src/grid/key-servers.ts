import type { KeyObject } from 'node:crypto'
import { jwsDigest } from '../crypto/jws.ts'
import { checkShare, verifyManifest } from '../crypto/manifest.ts'
import { MdmError } from '../errors.ts'
import type { Guid, Kid, KeyServerId, SiteId } from '../names.ts'
import { getShares, type Release } from '../wire/key-server.ts'
import type { Peer } from './http.ts'
import { KeyTally, type GatheredKey, type GoodShare, type KeyServerFault } from './key-tally.ts'

export type { GatheredKey, KeyServerFault } from './key-tally.ts'

/** How long all key servers together may take before too few have answered (FLOW 2). */
const ANSWER_TIMEOUT_MS = 2_500
/** 100 releases at the most; a server that sends more is lying or broken. */
const MAX_REPLY_BYTES = 1024 * 1024

/** A get that ends sooner than this says nothing against a server that is still silent. */
const LATE_MS = 1_000

export interface KeyServerPeer {
  readonly id: KeyServerId
  readonly peer: Peer
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
  /** Before the key is there it gives up and blames nobody; after that it says that the get has ended. */
  readonly signal?: AbortSignal | undefined
  /** Called for each server that did not help, also after the key is there, until the time is up or the signal aborts. */
  readonly onFault?: (fault: KeyServerFault) => void
  /** Called for each server that answered at all, before anyone knows whether its share is good. */
  readonly onAnswer?: () => void
  readonly timeoutMs?: number
}

/**
 * Asks every key server at once and rebuilds the file key from the first m shares that fit one signed manifest
 * (paper 3.3). A share that does not fit never takes part, and its server is named; so is a server whose answer is not
 * whole when the time is up or the get ends, without anybody waiting for it.
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
  const tally = new KeyTally(o)
  const kid = Promise.resolve(o.kid)
  const asked = performance.now()
  /** Whose answer is not whole yet, and whether it has begun. */
  const open = new Map<KeyServerId, boolean>(o.servers.map(({ id }) => [id, false]))
  return await new Promise<GatheredKey>((resolve, reject) => {
    const onAbort = () => {
      if (tally.won) tally.end(open, performance.now() - asked >= LATE_MS)
      reject(o.signal!.reason as Error)
    }
    o.signal?.addEventListener('abort', onAbort, { once: true })
    if (o.signal?.aborted === true) onAbort()
    kid.catch(reject)
    const answers = o.servers.map(async ({ id, peer }) => {
      try {
        const { releases } = await peer.call(
          getShares,
          { params: { guid: o.guid } },
          { signal, maxReplyBytes: MAX_REPLY_BYTES, onResponse: () => open.set(id, true) },
        )
        open.delete(id)
        o.onAnswer?.()
        tally.add(id, await firstGood(releases, id, await kid, o))
      } catch (error) {
        // Nobody waits any more: a call that was cut short says nothing of its server.
        if (o.signal?.aborted === true || (tally.won && peer.closed)) return
        const { code, details = {} }: Partial<MdmError> = error instanceof MdmError ? error : {}
        const { requestId } = details
        tally.miss({
          server: id,
          code: code ?? 'MDM_INTERNAL',
          ...(typeof requestId === 'string' ? { requestId } : {}),
          ...(silence.signal.aborted && open.get(id) ? { unfinished: true } : {}),
        })
        open.delete(id)
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

async function firstGood(
  releases: readonly Release[],
  server: KeyServerId,
  kid: Kid,
  o: GatherOptions,
): Promise<GoodShare> {
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
