import { constants } from 'node:fs'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { FRAME_BYTES, frameSpan, MAX_HEADER_BYTES } from '../crypto/container/profile.ts'
import { parseContainerHeader, type ContainerHeader } from '../crypto/container/reader.ts'
import { MdmError } from '../errors.ts'
import type { Guid, VolumeName } from '../names.ts'
import { lockPart } from './part-lock.ts'
import { WriteBehind } from './write-behind.ts'

/** Looks at one frame record of a container, index from 1. @throws MDM_CONTAINER when it is not that frame */
export type FrameCheck = (index: number, record: Uint8Array) => void

/** The part of a container that is on disk and good: frames from the first, without a gap. */
export interface Kept {
  readonly header: ContainerHeader
  readonly frames: number
  readonly bytes: number
}

/**
 * `FILE.part` of one get (FLOW 2): a container from its first byte to wherever the last get came. Locked while in use.
 *
 * @throws MDM_CONFLICT when another get has it, or when what is there is not the beginning of a container
 */
export async function claimPart(file: string): Promise<PartFile> {
  const path = `${file}.part`
  const release = await lockPart(path)
  let handle: FileHandle | undefined
  try {
    handle = await openPlain(path)
    const part = new PartFile(path, handle, release)
    await part.look()
    await handle.chmod(0o600)
    return part
  } catch (error) {
    await handle?.close()
    await release()
    throw error
  }
}

export class PartFile {
  readonly path: string
  readonly handle: FileHandle
  readonly #release: () => Promise<void>
  #found: ContainerHeader | undefined
  #size = 0
  #mine = true
  #received = 0
  #writer: WriteBehind | undefined

  constructor(path: string, handle: FileHandle, release: () => Promise<void>) {
    this.path = path
    this.handle = handle
    this.#release = release
  }

  /** The header of what was there at the last look. */
  get found(): ContainerHeader | undefined {
    return this.#found
  }

  /** True when as many bytes were there at the last look as its header says; whether they are right is not. */
  get isWhole(): boolean {
    return this.#found !== undefined && this.#size === this.#found.length
  }

  /** Bytes that were added since it was claimed. */
  get received(): number {
    return this.#received
  }

  /** Reads what is there. @throws MDM_CONFLICT when that is not the beginning of a container */
  async look(): Promise<void> {
    this.#size = (await this.handle.stat()).size
    this.#found = undefined
    if (this.#size === 0) return
    const head = Buffer.alloc(Math.min(MAX_HEADER_BYTES, this.#size))
    await this.handle.read(head, 0, head.length, 0)
    try {
      this.#found = parseContainerHeader(head)
    } catch (error) {
      throw foreign(error)
    }
    if (this.#found === undefined) throw foreign()
    if (this.#received === 0) this.#mine = false
  }

  /** Makes sure that what was found belongs to the volume meant, before a byte of it is changed. @throws MDM_CONFLICT */
  confirm(meant: VolumeName | { readonly guid: Guid }): void {
    if (!('guid' in meant)) return
    const { guid, version } = this.#found?.context ?? {}
    const other = 'version' in meant && meant.version !== undefined && meant.version !== version
    if (guid !== undefined && (guid !== meant.guid || other)) throw foreign()
    this.#mine = true
  }

  /** Counts the good frames from the first; the final one is never among them, so that there is always one to ask for. */
  async goodFrames(check: FrameCheck, signal: AbortSignal | undefined): Promise<Kept | undefined> {
    const header = this.#found
    if (header === undefined) return undefined
    let frames = 0
    for await (const record of this.records(header, header.frames - 1)) {
      signal?.throwIfAborted()
      if (!passes(check, frames + 1, record)) break
      frames++
    }
    const bytes = frameSpan(header.headerBytes, header.context.plaintextBytes, frames + 1).start
    return frames === 0 ? undefined : { header, frames, bytes }
  }

  /** The records of the first frames that are wholly there, `frames` at the most; each is valid until the next. */
  async *records(header: ContainerHeader, frames: number): AsyncGenerator<Buffer> {
    const record = Buffer.allocUnsafeSlow(FRAME_BYTES + 64)
    for (let index = 1; index <= frames; index++) {
      const { start, end } = frameSpan(header.headerBytes, header.context.plaintextBytes, index)
      const { bytesRead } = await this.handle.read(record, 0, end - start, start)
      if (bytesRead < end - start) return
      yield record.subarray(0, bytesRead)
    }
  }

  /** Begins anew with a header, or goes on behind `bytes`. */
  async cut(bytes: number): Promise<void> {
    // Cutting an empty file would make ext4 write all of it when it is closed, just before it is deleted.
    if (this.#size > bytes) await this.handle.truncate(bytes)
    this.#writer = undefined
    this.#size = bytes
  }

  /** Takes a record, which reaches the file a moment later; flush() waits for that. */
  async append(record: Uint8Array): Promise<void> {
    this.#writer ??= new WriteBehind(this.handle, { position: this.#size })
    await this.#writer.put(record)
    this.#size += record.length
    this.#received += record.length
  }

  /** Waits until all that was appended is in the file. */
  async flush(): Promise<void> {
    await this.#writer?.flush()
  }

  /** Lets go; what is not kept goes, unless it was never known to be of the volume meant. */
  async close(keep: boolean): Promise<void> {
    await this.handle.close()
    if (this.#size === 0 || (!keep && this.#mine)) await unlink(this.path).catch(() => {})
    await this.#release()
  }
}

/** A regular file of ours with one name, never through a link. */
async function openPlain(path: string): Promise<FileHandle> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants
  const handle = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException
    throw code === 'ELOOP' || code === 'EISDIR' ? foreign(error) : error
  })
  const { uid, nlink, ...stats } = await handle
    .stat()
    .then((s) => ({ uid: s.uid, nlink: s.nlink, file: s.isFile() }))
  if (stats.file && nlink === 1 && uid === (process.getuid?.() ?? uid)) return handle
  await handle.close()
  throw foreign()
}

function passes(check: FrameCheck, index: number, record: Uint8Array): boolean {
  try {
    check(index, record)
    return true
  } catch (error) {
    if (error instanceof MdmError && error.code === 'MDM_CONTAINER') return false
    throw error
  }
}

function foreign(cause?: unknown): MdmError {
  return new MdmError(
    'MDM_CONFLICT',
    'the .part file beside the output is not of this volume: move it away, or choose another name with -o',
    { cause },
  )
}
