import type { ErrorCode } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { VolumeName } from '@mdm/core/names'
import type { ListedVolume } from '../../catalog/access.ts'

/** `get`: srmPrepareToGet and srmBringOnline. `stage`: the WLCG Tape REST interface. A token of one kind is unknown to the other. */
export type RequestKind = 'get' | 'stage'

/** QUEUED, IN_PROGRESS: the source is read. READY: sealed in the spool and pinned. All others are ends. */
export type FileState = 'QUEUED' | 'IN_PROGRESS' | 'READY' | 'FAILED' | 'RELEASED' | 'ABORTED' | 'EXPIRED'

/** One file of a request as its caller sees it. */
export interface RequestedFile {
  /** as the caller wrote it: a SURL, or a path */
  readonly surl: string
  readonly state: FileState
  /** where it FAILED: MDM_NOT_FOUND alike for what does not exist and what the caller may not know of */
  readonly code?: ErrorCode
  /** of the container, once known */
  readonly bytes?: number
  /** READY: https URL that this caller alone may read until `pinnedUntil` */
  readonly turl?: string
  readonly pinnedUntil?: Date
  /** QUEUED, IN_PROGRESS: seconds from 1 to 60 */
  readonly waitSeconds?: number
}

export interface PreparationRequest {
  /** unguessable; names nothing */
  readonly token: string
  readonly kind: RequestKind
  readonly created: Date
  readonly started?: Date
  readonly finished?: Date
  /** in the order they were asked for */
  readonly files: readonly RequestedFile[]
}

/** Files to prepare, or the part of a request that is meant: by `surl`, as it was written or as it was normalised. */
export interface Asked {
  readonly surl: string
  /** undefined for a text that names nothing */
  readonly name: VolumeName | undefined
}

export interface OpenOptions {
  readonly kind: RequestKind
  readonly files: readonly Asked[]
  readonly pinSeconds?: number
  readonly requestId: string
  readonly signal?: AbortSignal
}

/**
 * Preparations that callers wait for and pin, kept in the store so that tokens outlive a restart. A token belongs to the DN that
 * got it: to all others, and after its time, it is MDM_NOT_FOUND.
 */
export interface Requests {
  /**
   * Begins to prepare files. The right to read each is looked at before its source is: a file refused is FAILED, the others go
   * on. Waits a moment, so that what lies in the spool is READY in the first answer.
   *
   * @param o `signal`: aborts when the caller has gone. Nobody knows the token then, and all of it is forgotten
   * @throws MDM_LIMIT when the caller has too many open; MDM_BAD_REQUEST for no or too many files
   */
  open(caller: Caller, o: OpenOptions): Promise<PreparationRequest>
  /** @throws MDM_NOT_FOUND */
  find(caller: Caller, kind: RequestKind, token: string): Promise<PreparationRequest>
  /**
   * Lets go of all files, or of those named; one let go before stays so. What is not READY yet is ABORTED; nobody else needing it,
   * its source is left alone. To release, to abort and to cancel are this one thing: what its files were decides what they become.
   *
   * @throws MDM_NOT_FOUND
   */
  release(
    caller: Caller,
    kind: RequestKind,
    token: string,
    surls?: readonly string[],
  ): Promise<PreparationRequest>
  /**
   * Lets go of what is READY under some names, in every request of the caller. What he still waits for is left: another job of his
   * has just asked for it.
   *
   * @returns what became of each, RELEASED where one was; undefined for a name in no request of his
   */
  releaseNamed(
    caller: Caller,
    kind: RequestKind,
    surls: readonly string[],
  ): Promise<(Pick<RequestedFile, 'state' | 'code'> | undefined)[]>
  /** Lets go of all files and forgets the request. @throws MDM_NOT_FOUND */
  remove(caller: Caller, kind: RequestKind, token: string): Promise<void>
  /** Lets a pin last at least `seconds` from now, within the limit of the site. @throws MDM_NOT_FOUND */
  extend(
    caller: Caller,
    kind: RequestKind,
    token: string,
    o: { surls?: readonly string[]; seconds: number },
  ): Promise<PreparationRequest>
  close(): Promise<void>
}

/** The version of a volume that a URL gives. */
export interface TurlVolume extends ListedVolume {
  /**
   * Whether a transfer that has begun may go on, as far as its URL counts: not once its caller has let go of the file or lost the
   * right to it. That its time is over ends no transfer.
   */
  mayGoOn(caller: Caller): boolean
}

/** How much is asked for and kept; no name of anything. */
export interface RequestCounts {
  /** with a file that waits or is pinned */
  readonly openRequests: number
  readonly waitingFiles: number
  readonly pinnedFiles: number
  /** each volume once */
  readonly pinnedBytes: number
}

/** The same, with what others than its callers ask. */
export interface OpenedRequests extends Requests {
  /** What the URL with this token gives to this caller now; undefined alike for all others. */
  turlOf(caller: Caller, turlToken: string): TurlVolume | undefined
  counts(): RequestCounts
}
