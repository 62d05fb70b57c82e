import type { KeyObject } from 'node:crypto'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { KnownFile, KnownRequest } from './known-request.ts'
import type { SrmLimits } from './limits.ts'
import type { Prepared } from './pinned-volume.ts'
import type { Asked, RequestKind } from './requests.ts'
import { tokenDigest, turlToken } from './tokens.ts'

/** Longest name of a file. */
const MAX_SURL = 1_024

/** @throws MDM_BAD_REQUEST for no file, too many, or a name that no store takes */
export function requireWellFormed(files: readonly Asked[], most: number): void {
  if (files.length === 0 || files.length > most)
    throw new MdmError('MDM_BAD_REQUEST', `a request is of 1 to ${most} files`)
  for (const { surl } of files) {
    if (surl.length > MAX_SURL || !surl.isWellFormed() || /[\0-\x1f\x7f]/.test(surl))
      throw new MdmError('MDM_BAD_REQUEST', 'a file has a name that is none')
  }
}

export interface Asking {
  readonly token: string
  readonly kind: RequestKind
  readonly caller: Caller
  readonly files: readonly Asked[]
  /** what each file means, or what it is refused with */
  readonly volumes: readonly (Prepared | MdmError)[]
  readonly pinSeconds?: number
  readonly limits: SrmLimits
  readonly now: Date
}

/** A request as it begins. */
export function newRequest(o: Asking, turlKey: KeyObject): KnownRequest {
  const { kind, caller, limits, now } = o
  const files: KnownFile[] = []
  const request: KnownRequest = {
    ...{ digest: tokenDigest(o.token), kind, caller, files },
    pinSeconds: Math.min(Math.max(1, Math.floor(o.pinSeconds ?? limits.pinSeconds)), limits.maxPinSeconds),
    created: now,
    ends: new Date(now.getTime() + 1_000 * limits.requestSeconds),
    ...{ started: undefined, finished: undefined, settled: Promise.withResolvers<void>() },
  }
  for (const [position, { surl }] of o.files.entries()) {
    const volume = o.volumes[position]!
    const isRefused = volume instanceof MdmError
    files.push({
      ...{ request, position, surl, pinnedUntil: undefined, checkedMs: now.getTime() },
      turlDigest: tokenDigest(turlToken(turlKey, o.token, position)),
      volume: isRefused ? undefined : volume,
      state: isRefused ? 'FAILED' : 'QUEUED',
      code: isRefused ? volume.code : undefined,
    })
  }
  return request
}
