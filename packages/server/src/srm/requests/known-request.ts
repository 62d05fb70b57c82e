import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { ErrorCode } from '@mdm/core/errors'
import { Dn } from '@mdm/core/identity/dn'
import type { Caller } from '@mdm/core/identity/identify'
import { leaves, Limits } from '@mdm/core/identity/limits'
import { KeyServerId, SiteId, type Sha256 } from '@mdm/core/names'
import type { Pin, Prepared } from './pinned-volume.ts'
import type { FileState, RequestKind } from './requests.ts'

/** A request as the server knows it: all but its token. */
export interface KnownRequest {
  /** of the token */
  readonly digest: Sha256
  readonly kind: RequestKind
  readonly caller: Caller
  readonly pinSeconds: number
  readonly created: Date
  /** when its files are let go of */
  readonly ends: Date
  started: Date | undefined
  finished: Date | undefined
  readonly files: readonly KnownFile[]
  /** resolves when no file waits any more */
  readonly settled: PromiseWithResolvers<void>
}

export interface KnownFile {
  readonly request: KnownRequest
  /** within the request, from 0 */
  readonly position: number
  readonly surl: string
  /** of the token of its URL */
  readonly turlDigest: Sha256
  /** undefined where it names nothing that the caller may know of */
  volume: Prepared | undefined
  state: FileState
  code: ErrorCode | undefined
  pinnedUntil: Date | undefined
  /** when the right to read was looked at, ms since 1970 */
  checkedMs: number
  /** from the moment it waits for a preparation until it is let go */
  pin?: Pin | undefined
  /** gives back its caller's part of the spool */
  leaveShare?: (() => void) | undefined
}

/** True until a file is let go of, by whomever. */
export function isOpen({ state }: KnownFile): boolean {
  return isWaiting(state) || state === 'READY'
}

export function isWaiting(state: FileState): boolean {
  return state === 'QUEUED' || state === 'IN_PROGRESS'
}

/** Names the person or service behind a caller, whichever proxy acts. */
export function ownerOf({ kind, dn, issuer }: Pick<Caller, 'kind' | 'dn' | 'issuer'>): string {
  return JSON.stringify([kind, dn, issuer])
}

/**
 * True when a request is a caller's: of the same person, and where his credential is narrowed, of nothing beside what it is narrowed
 * to. What it asked for itself it may always ask about.
 */
export function isOf(request: KnownRequest, caller: Caller): boolean {
  if (ownerOf(request.caller) !== ownerOf(caller)) return false
  const limits = limitsOf(caller)
  if (limits === undefined || isDeepStrictEqual(limits, limitsOf(request.caller))) return true
  return request.files.every((file) => isFileOf(file, caller))
}

/** The same of one file, whatever else its request is of. */
export function isFileOf({ request, volume }: KnownFile, caller: Caller): boolean {
  if (volume === undefined || ownerOf(request.caller) !== ownerOf(caller)) return false
  return leaves(limitsOf(caller), volume.guid, 'file', 'read')
}

function limitsOf(caller: Caller): Limits | undefined {
  return caller.kind === 'user' ? caller.limits : undefined
}

const proven = { dn: Dn, issuer: Dn, spki: z.string(), notAfter: z.coerce.date() }

/** A caller as the store keeps him, so that his rights can be looked at after a restart. */
export const StoredCaller = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('user'),
    ...proven,
    fqans: z.array(z.string()),
    proxy: z.enum(['full', 'limited', 'restricted']).exactOptional(),
    limits: Limits.exactOptional(),
  }),
  z.strictObject({ kind: z.literal('service'), site: SiteId, ...proven }),
  z.strictObject({ kind: z.literal('key-server'), site: SiteId, id: KeyServerId, ...proven }),
]) satisfies z.ZodType<Caller>
