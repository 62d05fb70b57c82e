import { setTimeout as sleep } from 'node:timers/promises'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { KeyServerPeer } from '@mdm/core/grid/key-servers'
import type { Guid, Kid, KeyServerId } from '@mdm/core/names'
import { getHealth } from '@mdm/core/wire/common'
import type { NotReady } from '../http/health.ts'
import { CATCHING_UP } from '../keyshares/catch-up.ts'
import { deleteShares, putShare } from '@mdm/core/wire/key-server'

/** A key server that is alive answers within this time, ms. */
const HEALTH_TIMEOUT_MS = 3_000
/** Between two looks at one that is comparing its lists, ms. */
const CATCHING_UP_MS = 100
const PUT_TIMEOUT_MS = 15_000

/** What keeps a key server from letting in some users, and not from taking shares. */
const ONLY_USERS: ReadonlySet<string> = new Set([
  'crl-stale',
  'crls-unreadable',
  'vomsdir-unreadable',
] satisfies NotReady[])

/** One new key as it goes to the key servers; `shares` in their order. */
export interface NewKey {
  readonly guid: Guid
  readonly kid: Kid
  readonly epoch: number
  readonly shares: readonly Buffer[]
  readonly manifest: string
  readonly founding: string
  /** what the site wants to know of it, should it lose its store; none for a key of no volume */
  readonly note?: string
}

/** A key server that did not do its part, and why. */
export interface Missing {
  readonly server: KeyServerId
  readonly code: ErrorCode
}

/** The key servers that could not take a share now; empty when all could. Asked before a key is made. */
export async function notReady(servers: readonly KeyServerPeer[], signal: AbortSignal): Promise<Missing[]> {
  return await failures(servers, HEALTH_TIMEOUT_MS, signal, async ({ peer }, timely) => {
    for (;;) {
      const health = await peer.call(getHealth, {}, { signal: timely })
      const reasons = health.reasons.filter((reason) => !ONLY_USERS.has(reason))
      if (health.status === 'ready' || reasons.length === 0) return
      // One that was started a moment ago is ready in a moment.
      if (!reasons.every((reason) => reason === CATCHING_UP)) throw new MdmError('MDM_UNREACHABLE')
      await sleep(CATCHING_UP_MS, undefined, { signal: timely })
    }
  })
}

/**
 * One idempotent PUT per key server, all at once (J4).
 *
 * @param stored called after each server that has stored its share, with its place from 1
 * @returns the servers that did not; registration needs all of them
 */
export async function putShares(
  servers: readonly KeyServerPeer[],
  key: NewKey,
  o: { signal: AbortSignal; stored: (place: number) => Promise<void> },
): Promise<Missing[]> {
  const { guid, kid, epoch, manifest, founding, note } = key
  return await failures(servers, PUT_TIMEOUT_MS, o.signal, async ({ peer }, timely, i) => {
    const share = key.shares[i]!.toString('base64')
    const input = {
      params: { guid, kid, epoch },
      body: { share, manifest, founding, ...(note === undefined ? {} : { note }) },
    }
    await peer.call(putShare, input, { signal: timely })
    await o.stored(i + 1)
  })
}

/** Deletes what an unfinished registration left; a server that has nothing of it is as good as one that deleted it. */
export async function dropShares(
  servers: readonly KeyServerPeer[],
  { guid, kid }: { guid: Guid; kid: Kid },
  signal: AbortSignal,
): Promise<Missing[]> {
  return await failures(servers, PUT_TIMEOUT_MS, signal, async ({ peer }, timely) => {
    await peer.call(deleteShares, { params: { guid, kid } }, { signal: timely })
  })
}

/** Why registration waits, for people. */
export function waitingFor(missing: readonly Missing[]): string {
  return missing.map(({ server, code }) => `key server ${server.slice(0, 12)} (${code})`).join(', ')
}

/** Does one thing at every server at once; what is no MdmError is a fault of ours and is thrown. */
async function failures(
  servers: readonly KeyServerPeer[],
  timeoutMs: number,
  signal: AbortSignal,
  act: (server: KeyServerPeer, timely: AbortSignal, i: number) => Promise<void>,
): Promise<Missing[]> {
  const slow = AbortSignal.timeout(timeoutMs)
  const timely = AbortSignal.any([signal, slow])
  const results = await Promise.allSettled(
    servers.map(async (server, i): Promise<Missing[]> => {
      try {
        await act(server, timely, i)
        return []
      } catch (error) {
        if (signal.aborted) throw error
        if (error instanceof MdmError) return [{ server: server.id, code: error.code }]
        if (slow.aborted) return [{ server: server.id, code: 'MDM_UNREACHABLE' }]
        throw error
      }
    }),
  )
  // Only now, so that no request is under way any more when the shares are deleted again.
  return results.flatMap((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}
