import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { createFileKey, type FileKeyOptions } from '@mdm/core/crypto/file-key'
import type { ErrorCode } from '@mdm/core/errors'
import { Peer } from '@mdm/core/grid/http'
import { gatherFileKey, type GatherOptions, type KeyServerFault } from '@mdm/core/grid/key-servers'
import { newGuid, newKid } from '@mdm/core/names'
import type { Release } from '@mdm/core/wire/key-server'
import { caller, json, pinOf, problem, service, startService } from '../../fixtures/loopback.ts'
import { altered } from '../../fixtures/liar.ts'
import { newServers, sampleKey, signer } from '../crypto/key-samples.ts'

export type SampleKey = Awaited<ReturnType<typeof sampleKey>>

/** How one key server answers; `truth` is what it should release. */
export type Conduct = (reply: ServerResponse, truth: Release, key: SampleKey) => unknown

const releases = (...list: unknown[]) => ({ releases: list })

export const honest: Conduct = (reply, truth) => json(reply, releases(truth))
export const silent: Conduct = () => {}
export const refuses: Conduct = (reply) => reply.destroy()
export const knowsNothing: Conduct = (reply) => json(reply, problem('MDM_NOT_FOUND', 404), 404)

/** The release of another key under the names of this one. */
async function release(
  truth: Release,
  key: SampleKey,
  changes: Partial<FileKeyOptions>,
  shown: Partial<Release> = {},
): Promise<Release> {
  const made = await createFileKey({ ...key.options, ...changes })
  const slot = key.released.findIndex((r) => r.share.toString('base64') === truth.share)
  return { ...truth, manifest: made.manifest, share: made.shares[slot]!.toString('base64'), ...shown }
}

const flip = (at: number, bit = 1): Conduct => altering((share) => void (share[at] = share[at]! ^ bit))

function altering(change: (share: Buffer) => void): Conduct {
  return (reply, truth) => json(reply, releases(altered(truth, change)))
}

function forging(
  changes: (key: SampleKey) => Partial<FileKeyOptions>,
  shown: Partial<Release> = {},
): Conduct {
  return async (reply, truth, key) => json(reply, releases(await release(truth, key, changes(key), shown)))
}

/** Every way to lie, and what the liar is then named for. */
export const LIES: Readonly<Record<string, readonly [conduct: Conduct, code: ErrorCode]>> = {
  'index 0': [altering((s) => s.writeUInt8(0, 43)), 'MDM_BAD_SHARE'],
  'the index of another': [altering((s) => s.writeUInt8((s.readUInt8(43) % 3) + 1, 43)), 'MDM_BAD_SHARE'],
  'a bit of the magic': [flip(0), 'MDM_BAD_SHARE'],
  'a bit of the secret': [flip(44, 0x80), 'MDM_BAD_SHARE'],
  'the last bit': [flip(123), 'MDM_BAD_SHARE'],
  'another GUID in the share': [flip(5), 'MDM_BAD_SHARE'],
  'another kid in the share': [flip(21), 'MDM_BAD_SHARE'],
  'another epoch in the share': [altering((s) => s.writeUInt32BE(3, 37)), 'MDM_BAD_SHARE'],
  'the share of another server': [
    (reply, truth, key) => {
      const other = key.released.find((r) => r.share.toString('base64') !== truth.share)!
      json(reply, releases({ ...truth, share: other.share.toString('base64') }))
    },
    'MDM_BAD_SHARE',
  ],
  'the same lie twice': [
    (reply, truth) => {
      const lie = altered(truth, (s) => void s.fill(0, 44))
      json(reply, releases(lie, lie))
    },
    'MDM_BAD_REQUEST',
  ],
  'its own share twice': [(reply, truth) => json(reply, releases(truth, truth)), 'MDM_BAD_REQUEST'],
  'nothing, where it should say that it knows nothing': [
    (reply) => json(reply, releases()),
    'MDM_BAD_REQUEST',
  ],
  'only another key of the volume': [
    (reply, truth) => json(reply, releases({ ...truth, kid: newKid() })),
    'MDM_NOT_FOUND',
  ],
  'its own split of its own key, signed by the site': [forging(() => ({})), 'MDM_BAD_SHARE'],
  'an older split of the key': [forging(({ fileKey }) => ({ fileKey, epoch: 1 })), 'MDM_BAD_SHARE'],
  'the key of another volume': [forging(() => ({ guid: newGuid() })), 'MDM_MANIFEST'],
  'another key of the volume': [forging(() => ({ kid: newKid() })), 'MDM_MANIFEST'],
  'a manifest of another site': [forging(() => ({ site: 'elsewhere' as never })), 'MDM_MANIFEST'],
  'a manifest of other servers': [forging(() => ({ servers: newServers(3) })), 'MDM_BAD_SHARE'],
  'a manifest by an unknown signer': [
    forging(() => ({ signer: { ...signer, kid: 'unknown' } })),
    'MDM_MANIFEST',
  ],
  'a manifest with a changed signature': [
    (reply, truth) =>
      json(reply, releases({ ...truth, manifest: truth.manifest.replace(/.{6}$/, 'AAAAAA') })),
    'MDM_MANIFEST',
  ],
  'malformed JSON': [(reply) => reply.end('{"releases":['), 'MDM_BAD_REQUEST'],
  'another shape': [(reply) => json(reply, { releases: {} }), 'MDM_BAD_REQUEST'],
  'a share of another length': [
    (reply, truth) => json(reply, releases({ ...truth, share: truth.share.slice(4) })),
    'MDM_BAD_REQUEST',
  ],
  'more releases than there can be': [
    (reply, truth) => json(reply, releases(...Array.from({ length: 101 }, () => truth))),
    'MDM_BAD_REQUEST',
  ],
  'an answer of 2 MiB': [(reply) => reply.end(`{"releases":[${' '.repeat(2 << 20)}]}`), 'MDM_BAD_REQUEST'],
}

/** How long a get waits for servers unless a test tells: longer than any machine takes for what is to come. */
export const PATIENT_MS = 60_000

export interface Setting {
  readonly key: SampleKey
  readonly faults: KeyServerFault[]
  /** from 0, the place of a server among all */
  place(fault: KeyServerFault): number
  gather(o?: Partial<GatherOptions>): ReturnType<typeof gatherFileKey>
  readonly peers: readonly Peer[]
  readonly urls: readonly string[]
  /** resolves when the connection of a request at this place has ended */
  readonly ended: readonly Promise<unknown>[]
}

/**
 * Starts one key server per conduct, all with shares of one new key.
 *
 * @param order places in the order in which they answer, one after the other; all at once unless told; `untold` leaves the answer time to the product
 */
export async function startKeyServers(
  t: Test,
  conducts: readonly Conduct[],
  o: { m?: number; order?: readonly number[]; untold?: boolean } = {},
): Promise<Setting> {
  const n = conducts.length
  const m = o.m ?? 2
  const key = await sampleKey({ n, m, epoch: 2 })
  const answered = conducts.map(() => Promise.withResolvers<void>())
  const ended = conducts.map(() => Promise.withResolvers<unknown>())
  const services = await Promise.all(
    conducts.map((conduct, i) =>
      startService(t, async (request, reply) => {
        request.socket.once('close', ended[i]!.resolve)
        const rank = o.order?.indexOf(i) ?? 0
        if (rank > 0) await answered[o.order![rank - 1]!]!.promise
        reply.once('close', () => void sleep(15).then(() => answered[i]!.resolve()))
        const { kid, version, epoch } = key.options
        const share = key.shares[i]!.toString('base64')
        await conduct(reply, { kid, version, epoch, manifest: key.jws, share }, key)
      }),
    ),
  )
  const peers = services.map(({ url }) => new Peer({ url, pins: [pinOf(service)], credential: caller }))
  t.teardown(() => Promise.all(peers.map((peer) => peer.close())))
  const servers = peers.map((peer, i) => ({ id: key.options.servers[i]!, peer }))
  const faults: KeyServerFault[] = []
  const { guid, kid, site } = key.options
  const gather = (changes: Partial<GatherOptions> = {}) =>
    gatherFileKey({
      servers,
      site,
      guid,
      kid,
      threshold: m,
      signers: [signer],
      ...(o.untold === true ? {} : { timeoutMs: PATIENT_MS }),
      onFault: (fault) => faults.push(fault),
      ...changes,
    })
  return {
    key,
    faults,
    place: ({ server }) => key.options.servers.indexOf(server),
    gather,
    peers,
    urls: services.map((s) => s.url),
    ended: ended.map((e) => e.promise),
  }
}

/** Every order of the places 0 to n-1. */
export function orders(n: number): number[][] {
  if (n === 0) return [[]]
  return orders(n - 1).flatMap((order) =>
    Array.from({ length: n }, (_, at) => [...order.slice(0, at), n - 1, ...order.slice(at)]),
  )
}

/** Waits until something holds, for half a minute at the most. */
export async function until(holds: () => boolean): Promise<boolean> {
  for (const end = performance.now() + 30_000; !holds() && performance.now() < end;) await sleep(10)
  return holds()
}
