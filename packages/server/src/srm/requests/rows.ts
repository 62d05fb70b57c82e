import { MdmError } from '@mdm/core/errors'
import type { Sha256, Guid, Version } from '@mdm/core/names'
import { inTransaction } from '../../store/transaction.ts'
import type { SiteQueries, SiteStore } from '../../store/site-store.ts'
import type { SrmFilesTable } from '../../store/srm-schema.ts'
import { StoredCaller, type KnownFile, type KnownRequest } from './known-request.ts'

/** How often what the store did not take is written again, ms. */
const AGAIN_MS = 1_000
/** Rows in one statement. */
const PAGE = 80

/** What is stored of a file: its volume without what the catalog says of it. */
export type StoredFile = Omit<KnownFile, 'request' | 'volume' | 'checkedMs'> & {
  readonly named: { readonly guid: Guid; readonly version: Version } | undefined
}
export type StoredRequest = Omit<KnownRequest, 'files' | 'settled'> & {
  readonly files: readonly StoredFile[]
}

/** Requests on the disk. All that waits at one time is written in one commit, so that many callers cost no more than one. */
export interface RequestRows {
  load(): Promise<StoredRequest[]>
  /** Resolves when it is on the disk. @throws MDM_STORE and nothing is kept of it */
  insert(request: KnownRequest): Promise<void>
  /** Resolves when these files are on the disk as they are then. @throws MDM_STORE; it is tried again by itself until it is done */
  save(request: KnownRequest, files: Iterable<KnownFile>): Promise<void>
  /** As save(). */
  remove(request: Pick<KnownRequest, 'digest'>): Promise<void>
  /** Waits for the commit under way. */
  close(): Promise<void>
}

export function openRequestRows(db: SiteStore): RequestRows {
  return new GroupedRows(db)
}

interface Group {
  readonly inserted: KnownRequest[]
  readonly changed: Map<KnownRequest, Set<KnownFile>>
  readonly removed: Set<Sha256>
  readonly waiting: PromiseWithResolvers<void>[]
}

class GroupedRows implements RequestRows {
  readonly #db: SiteStore
  #group = emptyGroup()
  #writing: Promise<void> | undefined
  #again: NodeJS.Timeout | undefined
  #closed = false

  constructor(db: SiteStore) {
    this.#db = db
  }

  load(): Promise<StoredRequest[]> {
    return loadRequests(this.#db)
  }

  insert(request: KnownRequest): Promise<void> {
    this.#group.inserted.push(request)
    return this.#write()
  }

  save(request: KnownRequest, files: Iterable<KnownFile>): Promise<void> {
    const changed = this.#group.changed.get(request) ?? new Set()
    this.#group.changed.set(request, changed)
    for (const file of files) changed.add(file)
    return this.#write()
  }

  remove({ digest }: Pick<KnownRequest, 'digest'>): Promise<void> {
    this.#group.removed.add(digest)
    return this.#write()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#again)
    await this.#writing
  }

  #write(): Promise<void> {
    if (this.#closed) return Promise.reject(new MdmError('MDM_UNREACHABLE', 'the site is stopping'))
    const waiting = Promise.withResolvers<void>()
    this.#group.waiting.push(waiting)
    this.#writing ??= this.#writeAll()
    return waiting.promise
  }

  async #writeAll(): Promise<void> {
    // One turn of the event loop lets what comes in this turn join the same commit.
    await new Promise((resolve) => setImmediate(resolve))
    clearTimeout(this.#again)
    do {
      const group = this.#group
      this.#group = emptyGroup()
      try {
        await inTransaction(this.#db, (trx) => writeGroup(trx, group))
        for (const { resolve } of group.waiting) resolve()
      } catch (error) {
        this.#keep(group)
        for (const { reject } of group.waiting) reject(error)
      }
    } while (this.#group.waiting.length > 0)
    this.#writing = undefined
  }

  /** What was not written is written later. A request that was not was refused: should it be there after all, it goes. */
  #keep({ changed, removed, inserted }: Group): void {
    const gone = new Set(inserted.map(({ digest }) => digest)).union(removed)
    for (const [request, files] of changed) {
      if (gone.has(request.digest)) continue
      const later = this.#group.changed.get(request) ?? new Set()
      this.#group.changed.set(request, later.union(files))
    }
    for (const digest of gone) this.#group.removed.add(digest)
    if (this.#closed) return
    clearTimeout(this.#again)
    this.#again = setTimeout(() => (this.#writing ??= this.#writeAll()), AGAIN_MS).unref()
  }
}

function emptyGroup(): Group {
  return { inserted: [], changed: new Map(), removed: new Set(), waiting: [] }
}

async function writeGroup(trx: SiteQueries, { inserted, changed, removed }: Group): Promise<void> {
  for (const request of inserted) {
    await trx.insertInto('srm_requests').values(requestRow(request)).execute()
    for (let at = 0; at < request.files.length; at += PAGE)
      await trx
        .insertInto('srm_files')
        .values(request.files.slice(at, at + PAGE).map(fileRow))
        .execute()
  }
  for (const [request, files] of changed) {
    const { started, finished } = requestRow(request)
    await trx
      .updateTable('srm_requests')
      .set({ started, finished })
      .where('token_digest', '=', request.digest)
      .execute()
    for (const file of files) {
      const { state, code, pinned_until } = fileRow(file)
      await trx
        .updateTable('srm_files')
        .set({ state, code, pinned_until })
        .where('token_digest', '=', request.digest)
        .where('position', '=', file.position)
        .execute()
    }
  }
  for (const digest of removed) {
    await trx.deleteFrom('srm_files').where('token_digest', '=', digest).execute()
    await trx.deleteFrom('srm_requests').where('token_digest', '=', digest).execute()
  }
}

function requestRow(request: KnownRequest) {
  const { digest, kind, caller, pinSeconds, created, started, finished, ends } = request
  return {
    ...{ token_digest: digest, kind, caller: JSON.stringify(caller), pin_seconds: pinSeconds },
    created: created.toISOString(),
    started: started?.toISOString() ?? null,
    finished: finished?.toISOString() ?? null,
    ends: ends.toISOString(),
  }
}

function fileRow(file: KnownFile): SrmFilesTable {
  const { request, position, surl, volume, state, code, pinnedUntil, turlDigest } = file
  return {
    ...{ token_digest: request.digest, position, surl, state, turl_digest: turlDigest },
    guid: volume?.guid ?? null,
    version: volume?.version ?? null,
    code: code ?? null,
    pinned_until: pinnedUntil?.toISOString() ?? null,
  }
}

async function loadRequests(db: SiteStore): Promise<StoredRequest[]> {
  const rows = await db
    .selectFrom('srm_files')
    .selectAll()
    .orderBy('token_digest')
    .orderBy('position')
    .execute()
  const files = Map.groupBy(rows, (row) => row.token_digest)
  const requests = await db.selectFrom('srm_requests').selectAll().orderBy('created').execute()
  return requests.map((row) => ({
    ...{ digest: row.token_digest, kind: row.kind, pinSeconds: row.pin_seconds },
    caller: StoredCaller.parse(JSON.parse(row.caller)),
    created: new Date(row.created),
    started: dateOf(row.started),
    finished: dateOf(row.finished),
    ends: new Date(row.ends),
    files: (files.get(row.token_digest) ?? []).map(storedFile),
  }))
}

function storedFile({ position, surl, turl_digest: turlDigest, state, ...row }: SrmFilesTable): StoredFile {
  return {
    ...{ position, surl, turlDigest, state },
    named: row.guid === null || row.version === null ? undefined : { guid: row.guid, version: row.version },
    code: row.code ?? undefined,
    pinnedUntil: dateOf(row.pinned_until),
  }
}

function dateOf(text: string | null): Date | undefined {
  return text === null ? undefined : new Date(text)
}
