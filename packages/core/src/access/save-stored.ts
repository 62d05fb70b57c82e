import { rm } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { MdmError } from '../errors.ts'
import { withPrepared, type PrepareOptions } from '../grid/srm/prepare.ts'
import type { StorageFile } from '../grid/srm/srm-url.ts'
import { openFile, type Continuation } from '../grid/srm/transfer.ts'
import type { Guid } from '../names.ts'
import { announced, type TransferOptions } from './container.ts'
import { claimPart, type Kept, type PartFile } from './part-file.ts'
import { completeRecords, keptRecords } from './part-transfer.ts'
import type { RawContainer } from './raw.ts'
import { retrying, type Retry } from './retry.ts'
import { draftOf, isRefusal } from './save.ts'
import type { Storage } from './storage.ts'
import { recognise, type Arrived } from './stored-body.ts'
import { keepWhole, writeStream, writeWhole, type Written } from './whole-file.ts'

export interface StoredOptions extends Pick<PrepareOptions, 'timeoutMs' | 'wait'> {
  readonly signal?: AbortSignal | undefined
  readonly timing?: TransferOptions['timing']
  readonly onProgress?: TransferOptions['onProgress']
}

export interface SaveStoredOptions extends StoredOptions {
  readonly path: string
  /** attempts after the first for what may pass; none unless told */
  readonly retries?: number | undefined
  readonly onRetry?: ((retry: Retry) => void) | undefined
}

/** What was fetched from a storage element; volume and version where it is a container. */
export interface SavedStoredFile extends Written {
  readonly surl: string
  readonly guid?: Guid
  readonly version?: number
  readonly path: string
  /** bytes that an earlier get had left and that were not fetched again */
  readonly resumedFrom: number
}

/** The entity tag under which a server sent a container, which another server than MDM chooses by itself. */
interface Seen {
  of?: { readonly container: string; readonly etag: string }
}

/**
 * Level 1 of the paper's client (4.3) as a get of any SRM service: prepared, fetched over https, let go.
 *
 * A container goes to `PATH.part` and is kept by whole frames, so that the next call goes on behind them; any other file grows
 * under a hidden name and begins anew. What is there under PATH in the end is whole and synced.
 *
 * @throws what withPrepared, openFile and recognise throw; MDM_CONFLICT when another get writes this file, or its `.part` is foreign
 */
export async function saveStored(
  storage: Storage,
  file: StorageFile,
  o: SaveStoredOptions,
): Promise<SavedStoredFile> {
  const part = await claimPart(o.path)
  const seen: Seen = {}
  let keep = false
  try {
    await rm(draftOf(o.path), { force: true })
    const attempt = async () => {
      await part.look()
      return await fetchOnce(storage, file, { ...o, part, seen })
    }
    const { signal, onRetry, retries = 0 } = o
    const received = () => part.received > 0
    const done = await retrying(attempt, { retries, received, signal, onRetry })
    if (done.raw === undefined) return saved(file, o.path, done.written)
    const written = await keepWhole(part.handle, part.path, o.path)
    return saved(file, o.path, written, { ...done.raw, received: part.received })
  } catch (error) {
    keep = !isRefusal(error)
    throw error
  } finally {
    await part.close(keep)
  }
}

/** Writes a file of a storage element to a stream as it comes; an error means that the end is missing or not to be trusted. */
export async function writeStored(
  storage: Storage,
  file: StorageFile,
  out: Writable,
  o: StoredOptions,
): Promise<SavedStoredFile> {
  const arrive = (arrived: Arrived) =>
    writeStream(out, arrived.kind === 'container' ? announced(arrived.raw, o) : counted(arrived, o))
  return await transferred(storage, file, o, {}, async (arrived) => {
    const written = await arrive(arrived)
    return saved(file, '-', written, arrived.kind === 'container' ? { ...arrived.raw } : undefined)
  })
}

async function fetchOnce(
  storage: Storage,
  file: StorageFile,
  o: SaveStoredOptions & { part: PartFile; seen: Seen },
): Promise<{ raw: RawContainer } | { raw?: undefined; written: Written }> {
  const { part, path } = o
  if (file.guid !== undefined) part.confirm({ guid: file.guid, version: file.version })
  const kept = await keptRecords(part, o.signal)
  return await transferred(storage, file, o, { kept, seen: o.seen }, async (arrived) => {
    if (arrived.kind === 'container') {
      await completeRecords(part, arrived.raw, kept, o)
      return { raw: arrived.raw }
    }
    if (part.found !== undefined)
      throw new MdmError(
        'MDM_CONFLICT',
        'the .part file beside the output is not of this file: move it away, or choose another name with -o',
      )
    return { written: await writeWhole(path, counted(arrived, o), { temporary: draftOf(path) }) }
  })
}

/** Prepares a file, opens it, and lets go of it when it was used. */
async function transferred<T>(
  storage: Storage,
  file: StorageFile,
  o: StoredOptions,
  { kept, seen }: { kept?: Kept | undefined; seen?: Seen },
  use: (arrived: Arrived) => Promise<T>,
): Promise<T> {
  const service = storage.service(file.endpoint)
  return await withPrepared(service, file.surl, o, async (prepared) => {
    const ended = o.timing?.start('srm-transfer')
    const from = kept && continuation(kept, seen)
    const reply = await openFile(storage.connections, prepared, { from, signal: o.signal })
    try {
      const arrived = await recognise(reply, { file, service, kept, signal: o.signal })
      if (seen !== undefined && arrived.kind === 'container' && reply.etag !== undefined)
        seen.of = { container: arrived.raw.etag, etag: reply.etag }
      return await use(arrived)
    } finally {
      reply.discard()
      ended?.()
    }
  })
}

/** MDM calls a container by its message id; another server has told its own name for it, if it was this command that asked. */
function continuation({ header, bytes }: Kept, seen: Seen | undefined): Continuation {
  const known = seen?.of?.container === header.etag ? seen.of.etag : header.etag
  return { start: bytes, etag: known }
}

/** A file that is no container, with progress. */
async function* counted(
  { body, bytes = 0 }: Extract<Arrived, { kind: 'file' }>,
  o: StoredOptions,
): AsyncGenerator<Buffer> {
  let done = 0
  for await (const chunk of body) {
    done += chunk.length
    o.onProgress?.(done, Math.max(bytes, done))
    yield chunk
  }
}

function saved(
  { surl }: StorageFile,
  path: string,
  written: Written,
  raw?: { guid: Guid; version: number; bytes: number; received?: number },
): SavedStoredFile {
  const named = raw === undefined ? {} : { guid: raw.guid, version: raw.version }
  const resumedFrom = raw?.received === undefined ? 0 : Math.max(0, raw.bytes - raw.received)
  return { surl, ...named, path, ...written, resumedFrom }
}
