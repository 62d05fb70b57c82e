import type { KeyObject } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { auditCaller } from '../../audit/audit-caller.ts'
import type { Audit } from '../../audit/audit.ts'
import type { ListedVolume } from '../../catalog/access.ts'
import type { SiteStore } from '../../store/site-store.ts'
import { admitAll, requireStillReadable, type Rights } from './admit.ts'
import { answerOf, filesMeant } from './answer.ts'
import {
  isFileOf,
  isOf,
  isOpen,
  isWaiting,
  ownerOf,
  type KnownFile,
  type KnownRequest,
} from './known-request.ts'
import type { SrmLimits } from './limits.ts'
import { createKnownRequests } from './known-requests.ts'
import { createLives, pinEnd } from './lives.ts'
import { newRequest, requireWellFormed } from './new-request.ts'
import { createOwners } from './owners.ts'
import { createPins, type PinsOptions } from './pins.ts'
import type { Asked, PreparationRequest, RequestCounts, RequestKind, OpenedRequests } from './requests.ts'
import { restoreRequests } from './restore.ts'
import { openRequestRows } from './rows.ts'
import { createShares } from './shares.ts'
import { newToken } from './tokens.ts'

/** How long the first answer waits for what may be in the spool, ms. */
const FIRST_ANSWER_MS = 300
/** A right that was looked at so lately is not looked at again, ms. */
const CHECKED_MS = 15_000

export interface RequestsOptions extends Rights, PinsOptions {
  readonly catalog: Rights['catalog'] & PinsOptions['catalog']
  readonly db: SiteStore
  readonly audit: Pick<Audit, 'record'>
  readonly limits: SrmLimits
  /** makes tokens of URLs: a key of this site for this purpose alone */
  readonly turlKey: KeyObject
  /** https://host:port of the listener that serves the URLs */
  readonly base: string
  now(): Date
}

/**
 * Takes up what was asked before a restart: pins that have not ended are taken again, what was in progress begins anew.
 *
 * @throws MDM_STORE
 */
export async function openRequests(o: RequestsOptions): Promise<OpenedRequests> {
  const requests = new KeptRequests(o)
  await requests.restore()
  return requests
}

class KeptRequests implements OpenedRequests {
  readonly #o: RequestsOptions
  readonly #rows
  readonly #pins
  readonly #owners
  readonly #known
  readonly #lives
  #closed = false

  constructor(o: RequestsOptions) {
    this.#o = o
    this.#rows = openRequestRows(o.db)
    this.#pins = createPins(o)
    this.#owners = createOwners(o.limits.openFiles)
    this.#known = createKnownRequests({
      owners: this.#owners,
      now: () => o.now(),
      expire: (request) => this.#lives.expire(request),
      forgotten: (request) => void this.#rows.remove(request).catch(() => undefined),
    })
    this.#lives = createLives({
      pins: this.#pins,
      shares: createShares(Math.floor(o.delivery.counts().spoolQuotaBytes * o.limits.pinnedShare)),
      now: () => o.now(),
      mayRead: (file) => this.#mayRead(file),
      changed: (file) => this.#changed(file),
      ended: (file) => this.#ended(file),
    })
  }

  async restore(): Promise<void> {
    const known = (request: KnownRequest, changed: readonly KnownFile[]): void => {
      this.#known.add(request)
      this.#lives.note(request)
      this.#owners.restore(ownerOf(request.caller), request.files.filter(isOpen).length)
      this.#known.keepEnded(request)
      if (changed.length > 0) this.#rows.save(request, changed).catch(() => undefined)
    }
    const files = await restoreRequests(this.#rows, { ...this.#o, now: this.#o.now() }, known)
    // Pins first: nothing that is begun anew may take their room.
    const pinned = files.filter(({ pinnedUntil }) => pinnedUntil !== undefined)
    const others = files.filter(({ pinnedUntil }) => pinnedUntil === undefined)
    for (const file of [...pinned, ...others]) this.#lives.begin(file)
    this.#known.check()
    void this.#letGoUnreadable(pinned)
  }

  async open(
    caller: Caller,
    o: { kind: RequestKind; files: readonly Asked[]; pinSeconds?: number; requestId: string },
  ): Promise<PreparationRequest> {
    this.#requireOpen()
    const { limits } = this.#o
    requireWellFormed(o.files, limits.filesPerRequest)
    const owner = ownerOf(caller)
    this.#owners.take(owner, o.files.length)
    const token = newToken()
    let request: KnownRequest
    try {
      const volumes = await admitAll(this.#o, caller, o.files)
      request = newRequest(
        { ...o, ...{ token, caller, volumes, limits }, now: this.#o.now() },
        this.#o.turlKey,
      )
      this.#lives.note(request)
      await this.#record(request, o.requestId)
      await this.#rows.insert(request)
      this.#requireOpen()
    } catch (error) {
      this.#owners.give(owner, o.files.length)
      throw error
    }
    this.#known.add(request)
    for (const file of request.files) {
      if (isOpen(file)) this.#lives.begin(file)
      else this.#ended(file)
    }
    await Promise.race([request.settled.promise, sleep(FIRST_ANSWER_MS, undefined, { ref: false })])
    return this.#answer(request, token)
  }

  async find(caller: Caller, kind: RequestKind, token: string): Promise<PreparationRequest> {
    return this.#answer(this.#find(caller, kind, token), token)
  }

  async release(
    caller: Caller,
    kind: RequestKind,
    token: string,
    surls?: readonly string[],
  ): Promise<PreparationRequest> {
    const request = this.#find(caller, kind, token)
    const files = filesMeant(request, surls)
    for (const file of files) this.#lives.end(file, isWaiting(file.state) ? 'ABORTED' : 'RELEASED')
    // On the disk before it is told: what was let go must not come back with a restart.
    await this.#rows.save(request, files)
    return this.#answer(request, token)
  }

  abort(
    caller: Caller,
    kind: RequestKind,
    token: string,
    surls?: readonly string[],
  ): Promise<PreparationRequest> {
    return this.release(caller, kind, token, surls)
  }

  async extend(
    caller: Caller,
    kind: RequestKind,
    token: string,
    o: { surls?: readonly string[]; seconds: number },
  ): Promise<PreparationRequest> {
    const request = this.#find(caller, kind, token)
    const files = filesMeant(request, o.surls).filter(({ state }) => state === 'READY')
    const until = pinEnd(request, Math.min(o.seconds, this.#o.limits.maxPinSeconds), this.#o.now())
    for (const file of files) if (until > file.pinnedUntil!) file.pinnedUntil = until
    await this.#rows.save(request, files)
    return this.#answer(request, token)
  }

  turlOf(caller: Caller, token: string): ListedVolume | undefined {
    this.#known.check()
    const file = this.#known.byTurlToken(token)
    if (file?.state !== 'READY' || file.request.kind !== 'get') return undefined
    if (!isFileOf(file, caller)) return undefined
    const { guid, version } = file.volume!
    return { guid, version }
  }

  counts(): RequestCounts {
    const requests = this.#known.open()
    const open = requests.flat()
    const waitingFiles = open.filter(({ state }) => isWaiting(state)).length
    return {
      openRequests: requests.length,
      waitingFiles,
      pinnedFiles: open.length - waitingFiles,
      pinnedBytes: this.#pins.pinnedBytes,
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#known.stop()
    await this.#pins.close()
    await this.#rows.close()
  }

  #requireOpen(): void {
    if (this.#closed) throw new MdmError('MDM_UNREACHABLE', 'the site is stopping')
    this.#known.check()
  }

  #find(caller: Caller, kind: RequestKind, token: string): KnownRequest {
    this.#requireOpen()
    const request = this.#known.byToken(token)
    if (request?.kind !== kind || !isOf(request, caller)) throw new MdmError('MDM_NOT_FOUND')
    return request
  }

  #answer(request: KnownRequest, token: string): PreparationRequest {
    this.#known.check()
    const { turlKey, base } = this.#o
    return answerOf(request, token, { turlKey, base, now: this.#o.now() })
  }

  #changed(file: KnownFile): void {
    if (file.state === 'READY') this.#known.pinned(file)
    this.#rows.save(file.request, [file]).catch(() => undefined)
  }

  #ended({ request }: KnownFile): void {
    this.#owners.give(ownerOf(request.caller), 1)
    this.#known.keepEnded(request)
  }

  async #mayRead(file: KnownFile): Promise<void> {
    const now = this.#o.now()
    if (now.getTime() - file.checkedMs < CHECKED_MS) return
    await requireStillReadable(this.#o, file.request.caller, file.volume!, now)
    file.checkedMs = now.getTime()
  }

  async #letGoUnreadable(files: readonly KnownFile[]): Promise<void> {
    for (const file of files) {
      try {
        await this.#mayRead(file)
      } catch (error) {
        if (error instanceof MdmError && error.status < 500) this.#lives.end(file, 'FAILED', error.code)
      }
    }
  }

  /** Who had what prepared; that somebody tries names he may not know of is seen here. */
  async #record({ caller, kind, files }: KnownRequest, requestId: string): Promise<void> {
    const refused = files.filter(({ state }) => state === 'FAILED').length
    await this.#o.audit.record({
      ...{ event: 'preparation-asked', outcome: 'done', caller: auditCaller(caller), requestId },
      facts: { kind, files: files.length, refused },
    })
  }
}
