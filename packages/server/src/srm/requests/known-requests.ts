import type { Caller } from '@mdm/core/identity/identify'
import type { Sha256 } from '@mdm/core/names'
import { createDeadline } from './deadline.ts'
import { isOf, isOpen, ownerOf, type KnownFile, type KnownRequest } from './known-request.ts'
import type { Owners } from './owners.ts'
import type { RequestKind } from './requests.ts'
import { tokenDigest } from './tokens.ts'

/** How long a request is known after its end, ms. */
const KNOWN_MS = 10 * 60_000

/** Every request that is known, until its time is over. */
export interface KnownRequests {
  add(request: KnownRequest): void
  byToken(token: string): KnownRequest | undefined
  byTurlToken(token: string): KnownFile | undefined
  /** The requests that are a caller's, the newest last. */
  of(caller: Caller, kind: RequestKind): KnownRequest[]
  /** Knows a request no more, whose files are open no more. */
  forget(request: KnownRequest): void
  /** Does what is due by the clock: to be called before anything is told. */
  check(): void
  /** A file is pinned until another time now. */
  pinned(file: KnownFile): void
  /** Keeps a request that has ended, as far as its owner may have so many. */
  keepEnded(request: KnownRequest): void
  /** files that wait or are pinned, by request */
  open(): KnownFile[][]
  stop(): void
}

export interface KnownRequestsOptions {
  readonly owners: Pick<Owners, 'ended' | 'forget'>
  now(): Date
  /** Ends the files of a request that are over by the clock. */
  expire(request: KnownRequest): void
  forgotten(request: KnownRequest): void
}

export function createKnownRequests(o: KnownRequestsOptions): KnownRequests {
  const byDigest = new Map<Sha256, KnownRequest>()
  const byTurl = new Map<Sha256, KnownFile>()
  const byOwner = new Map<string, Set<KnownRequest>>()
  /** When something of a request is due, ms since 1970: of a hundred thousand a sweep looks into those alone that are. */
  const dueMs = new Map<KnownRequest, number>()
  const deadline = createDeadline(o.now, sweep)

  function forget(request: KnownRequest): void {
    byDigest.delete(request.digest)
    dueMs.delete(request)
    for (const file of request.files) byTurl.delete(file.turlDigest)
    const owner = ownerOf(request.caller)
    if (byOwner.get(owner)?.delete(request) === true && byOwner.get(owner)!.size === 0) byOwner.delete(owner)
    o.owners.forget(request)
    o.forgotten(request)
  }

  function sweep(): void {
    const now = o.now()
    let nextMs = Infinity
    for (const [request, ms] of dueMs) {
      if (ms > now.getTime()) {
        nextMs = Math.min(nextMs, ms)
        continue
      }
      o.expire(request)
      const knownUntil = new Date(request.ends.getTime() + KNOWN_MS)
      if (knownUntil <= now) forget(request)
      else if (byDigest.has(request.digest)) expect(request, request.ends > now ? request.ends : knownUntil)
    }
    if (nextMs !== Infinity) deadline.at(new Date(nextMs))
  }

  function expect(request: KnownRequest, next: Date): void {
    const pins = request.files.flatMap(({ state, pinnedUntil }) => (state === 'READY' ? pinnedUntil! : []))
    const ms = Math.min(next.getTime(), ...pins.map((end) => end.getTime()))
    dueMs.set(request, ms)
    deadline.at(new Date(ms))
  }

  return {
    add(request) {
      byDigest.set(request.digest, request)
      for (const file of request.files) byTurl.set(file.turlDigest, file)
      const owner = ownerOf(request.caller)
      byOwner.set(owner, (byOwner.get(owner) ?? new Set()).add(request))
      expect(request, request.ends)
    },
    byToken: (token) => byDigest.get(tokenDigest(token)),
    of: (caller, kind) =>
      [...(byOwner.get(ownerOf(caller)) ?? [])].filter(
        (request) => request.kind === kind && isOf(request, caller),
      ),
    forget,
    byTurlToken: (token) => byTurl.get(tokenDigest(token)),
    check: () => deadline.check(),
    pinned({ request, pinnedUntil }) {
      dueMs.set(request, Math.min(dueMs.get(request) ?? Infinity, pinnedUntil!.getTime()))
      deadline.at(pinnedUntil!)
    },
    keepEnded(request) {
      if (request.files.some(isOpen)) return
      for (const old of o.owners.ended(request)) forget(old)
    },
    open: () =>
      [...byDigest.values()].map(({ files }) => files.filter(isOpen)).filter(({ length }) => length > 0),
    stop: () => deadline.stop(),
  }
}
