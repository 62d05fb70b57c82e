import type { KeyObject } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { auditCaller } from '../../audit/audit-caller.ts'
import type { Audit } from '../../audit/audit.ts'
import type { SiteStore } from '../../store/site-store.ts'
import { admitAll, type Rights } from './admit.ts'
import { answerOf } from './answer.ts'
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
import { filesMeant, meaningOf } from './names.ts'
import type {
  OpenedRequests,
  OpenOptions,
  PreparationRequest,
  RequestCounts,
  RequestedFile,
  RequestKind,
  TurlVolume,
} from './requests.ts'
import { createReadable } from './readable.ts'
import { restoreRequests } from './restore.ts'
import { openRequestRows } from './rows.ts'
import { createShares } from './shares.ts'
import { newToken } from './tokens.ts'

/** How long the first answer waits for what may be in the spool, ms. */
const FIRST_ANSWER_MS = 300

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
  readonly #readable
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
    this.#readable = createReadable({
      ...o,
      now: () => o.now(),
      letGo: (file, code) => this.#lives.end(file, 'FAILED', code),
    })
    this.#lives = createLives({
      pins: this.#pins,
      shares: createShares(Math.floor(o.delivery.counts().spoolQuotaBytes * o.limits.pinnedShare)),
      now: () => o.now(),
      mayRead: (file) => this.#readable.require(file),
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
  }

  async open(caller: Caller, o: OpenOptions): Promise<PreparationRequest> {
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
    if (o.signal?.aborted === true) {
      await this.#remove(request)
      throw o.signal.reason
    }
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
    const files = filesMeant(request.files, surls)
    this.#letGo(files)
    // On the disk before it is told: what was let go must not come back with a restart.
    await this.#rows.save(request, files)
    return this.#answer(request, token)
  }

  async releaseNamed(
    caller: Caller,
    kind: RequestKind,
    surls: readonly string[],
  ): Promise<(Pick<RequestedFile, 'state' | 'code'> | undefined)[]> {
    this.#requireOpen()
    const meant = this.#known.of(caller, kind).flatMap(({ files }) => filesMeant(files, surls))
    const pinned = meant.filter(({ state }) => state === 'READY')
    this.#letGo(pinned)
    const byRequest = Map.groupBy(pinned, ({ request }) => request)
    await Promise.all([...byRequest].map(([request, files]) => this.#rows.save(request, files)))
    // Of several that mean the same the newest counts, but one that was let go before the others.
    const told = new Map<string, KnownFile>()
    for (const file of [...meant, ...meant.filter(({ state }) => state === 'RELEASED')])
      told.set(meaningOf(file.surl), file)
    return surls.map((surl) => told.get(meaningOf(surl)))
  }

  async remove(caller: Caller, kind: RequestKind, token: string): Promise<void> {
    await this.#remove(this.#find(caller, kind, token))
  }

  async extend(
    caller: Caller,
    kind: RequestKind,
    token: string,
    o: { surls?: readonly string[]; seconds: number },
  ): Promise<PreparationRequest> {
    const request = this.#find(caller, kind, token)
    const files = filesMeant(request.files, o.surls).filter(({ state }) => state === 'READY')
    const until = pinEnd(request, Math.min(o.seconds, this.#o.limits.maxPinSeconds), this.#o.now())
    for (const file of files) if (until > file.pinnedUntil!) file.pinnedUntil = until
    await this.#rows.save(request, files)
    return this.#answer(request, token)
  }

  turlOf(caller: Caller, token: string): TurlVolume | undefined {
    this.#known.check()
    const file = this.#known.byTurlToken(token)
    if (file?.state !== 'READY' || file.request.kind !== 'get') return undefined
    if (!isFileOf(file, caller)) return undefined
    const { guid, version } = file.volume!
    const mayGoOn = (who: Caller) => ['READY', 'EXPIRED'].includes(file.state) && isFileOf(file, who)
    return { guid, version, mayGoOn }
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
    await this.#readable.close()
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

  #letGo(files: readonly KnownFile[]): void {
    for (const file of files) this.#lives.end(file, isWaiting(file.state) ? 'ABORTED' : 'RELEASED')
  }

  async #remove(request: KnownRequest): Promise<void> {
    this.#letGo(request.files)
    this.#known.forget(request)
    await this.#rows.remove(request)
  }

  #answer(request: KnownRequest, token: string): PreparationRequest {
    this.#known.check()
    const { turlKey, base } = this.#o
    return answerOf(request, token, { turlKey, base, now: this.#o.now() })
  }

  #changed(file: KnownFile): void {
    if (file.state === 'READY') {
      this.#known.pinned(file)
      this.#readable.look(file)
    }
    this.#rows.save(file.request, [file]).catch(() => undefined)
  }

  #ended({ request }: KnownFile): void {
    this.#owners.give(ownerOf(request.caller), 1)
    this.#known.keepEnded(request)
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
