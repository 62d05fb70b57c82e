import { open, type FileHandle } from 'node:fs/promises'
import { frameCount, frameSpan } from '@mdm/core/crypto/container/profile'
import { MdmError } from '@mdm/core/errors'
import { diskFault } from './disk-fault.ts'
import { free } from '@mdm/core/memory'

/** Neighbouring frames written with one call, at most. */
const BATCH_FRAMES = 16
/** Calls under way at once, at most: with the batch this bounds the ciphertext in memory to about 5 MiB. */
const WRITES_AT_ONCE = 4

/** A container on disk that is being filled: header first, then frame records in any order, each at its own place. */
export interface FrameFile {
  /** first frame that is not on disk yet, from 1; frames + 1 when all are */
  readonly contiguous: number
  /** bytes from the start that are on disk without a gap */
  readonly available: number
  /** Queues a record, which is freed when written; waits only when too much is queued. @throws MDM_SPOOL_FULL, also for an earlier record */
  put(index: number, record: Buffer): Promise<void>
  /** Writes all that is queued. @throws MDM_SPOOL_FULL */
  flush(): Promise<void>
  /** Records of the frames first..last, which must be on disk. */
  read(first: number, last: number): Promise<Buffer>
  /** Makes what was written survive a power failure. */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * Makes the file (0600) and writes the header.
 *
 * @param path     a name that does not exist yet
 * @param o        `advanced` is called when `available` has grown
 * @throws MDM_SPOOL_FULL
 */
export async function createFrameFile(
  path: string,
  o: { header: Buffer; plaintextBytes: number; advanced: () => void },
): Promise<FrameFile> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'wx+', 0o600)
    await writeAll(handle, [o.header], 0)
  } catch (error) {
    await handle?.close()
    throw diskFault(error)
  }
  return new WrittenFrames(handle, o.header.length, o.plaintextBytes, o.advanced)
}

class WrittenFrames implements FrameFile {
  contiguous = 1
  readonly #handle: FileHandle
  readonly #headerBytes: number
  readonly #plaintextBytes: number
  readonly #advanced: () => void
  /** 1 for each frame on disk, by index */
  readonly #onDisk: Uint8Array
  readonly #writing = new Set<Promise<void>>()
  #batch: Buffer[] = []
  #batchFirst = 0
  #fault: unknown

  constructor(handle: FileHandle, headerBytes: number, plaintextBytes: number, advanced: () => void) {
    this.#handle = handle
    this.#headerBytes = headerBytes
    this.#plaintextBytes = plaintextBytes
    this.#advanced = advanced
    this.#onDisk = new Uint8Array(frameCount(plaintextBytes) + 2)
  }

  get available(): number {
    return this.contiguous === 1 ? this.#headerBytes : this.#span(this.contiguous - 1).end
  }

  async put(index: number, record: Buffer): Promise<void> {
    if (index !== this.#batchFirst + this.#batch.length || this.#batch.length >= BATCH_FRAMES)
      await this.#begin()
    if (this.#batch.length === 0) this.#batchFirst = index
    this.#batch.push(record)
    this.#keepBusy()
  }

  async flush(): Promise<void> {
    await this.#begin()
    await Promise.all(this.#writing)
    this.#check()
  }

  async read(first: number, last: number): Promise<Buffer> {
    const { start } = this.#span(first)
    const bytes = Buffer.allocUnsafe(this.#span(last).end - start)
    const { bytesRead } = await this.#handle.read(bytes, 0, bytes.length, start)
    if (bytesRead !== bytes.length)
      throw new MdmError('MDM_INTEGRITY', 'the spool file of a preparation was cut short')
    return bytes
  }

  async sync(): Promise<void> {
    await this.#handle.datasync()
  }

  async close(): Promise<void> {
    await Promise.all(this.#writing)
    await this.#handle.close()
  }

  /** Starts writing the batch; this is the back-pressure: the source is not asked for more while this waits. */
  async #begin(): Promise<void> {
    this.#check()
    while (this.#writing.size >= WRITES_AT_ONCE) await Promise.race(this.#writing)
    this.#start()
  }

  /** The queue is written whenever nothing else is, so that readers need not wait for a full batch. */
  #keepBusy(): void {
    if (this.#writing.size === 0 && this.#fault === undefined) this.#start()
  }

  #start(): void {
    if (this.#batch.length === 0) return
    const [first, batch] = [this.#batchFirst, this.#batch]
    this.#batch = []
    const write = writeAll(this.#handle, batch, this.#span(first).start).then(
      () => {
        batch.forEach(free)
        this.#written(first, batch.length)
      },
      (error: unknown) => {
        this.#fault ??= error
      },
    )
    this.#writing.add(write)
    void write.then(() => {
      this.#writing.delete(write)
      this.#keepBusy()
    })
  }

  #written(first: number, count: number): void {
    this.#onDisk.fill(1, first, first + count)
    if (first !== this.contiguous) return
    while (this.#onDisk[this.contiguous] === 1) this.contiguous++
    this.#advanced()
  }

  #check(): void {
    if (this.#fault !== undefined) throw diskFault(this.#fault)
  }

  #span(index: number): { start: number; end: number } {
    return frameSpan(this.#headerBytes, this.#plaintextBytes, index)
  }
}

async function writeAll(handle: FileHandle, buffers: Buffer[], position: number): Promise<void> {
  for (let rest = buffers, at = position; rest.length > 0;) {
    const { bytesWritten } = await handle.writev(rest, at)
    at += bytesWritten
    rest = after(rest, bytesWritten)
  }
}

/** What a short write left over. */
function after(buffers: Buffer[], written: number): Buffer[] {
  let skip = written
  const left: Buffer[] = []
  for (const buffer of buffers) {
    if (skip < buffer.length) left.push(buffer.subarray(skip))
    skip = Math.max(0, skip - buffer.length)
  }
  return left
}
