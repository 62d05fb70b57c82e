import { open, type FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { MdmError } from '@mdm/core/errors'
import { diskFault } from './disk-fault.ts'
import type { Preparation } from './preparation.ts'

/** Bytes read from the spool at once. */
const CHUNK_BYTES = 256 * 1024

/**
 * The bytes `start` to `end` (exclusive) of a container while it is being prepared: waits for what is not there yet, at
 * its own pace. It fails when the preparation does, so that a cut answer is seen as cut.
 *
 * @param release called once, when the reader has ended, failed or gone
 */
export function readContainer(
  preparation: Preparation,
  span: { start: number; end: number },
  release: () => void,
): Readable {
  return new ContainerReader(preparation, span, release)
}

class ContainerReader extends Readable {
  readonly #preparation: Preparation
  readonly #end: number
  readonly #release: () => void
  readonly #unwatch: () => void
  #at: number
  #file: FileHandle | undefined
  /** true from _read until bytes were pushed: this reader wants more */
  #wanting = false
  #reading: Promise<void> | undefined

  constructor(preparation: Preparation, span: { start: number; end: number }, release: () => void) {
    super({ highWaterMark: CHUNK_BYTES })
    this.#preparation = preparation
    this.#at = span.start
    this.#end = span.end
    this.#release = release
    this.#unwatch = preparation.watch(() => this.#look())
  }

  override _read(): void {
    this.#wanting = true
    this.#look()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#unwatch()
    this.#release()
    // a read under way must end before the file is closed
    void (this.#reading ?? Promise.resolve())
      .then(() => this.#file?.close())
      .then(
        () => done(error),
        (fault: unknown) => done(error ?? (fault as Error)),
      )
  }

  #look(): void {
    if (this.destroyed) return
    if (this.#preparation.over) {
      this.destroy(this.#preparation.reason)
      return
    }
    if (!this.#wanting || this.#reading !== undefined) return
    if (this.#at < this.#end && this.#at >= this.#preparation.available) return
    this.#wanting = false
    if (this.#at >= this.#end) {
      this.push(null)
      return
    }
    this.#reading = this.#readChunk()
      .catch((error: unknown) => void this.destroy(diskFault(error) as Error))
      .finally(() => {
        this.#reading = undefined
        this.#look()
      })
  }

  async #readChunk(): Promise<void> {
    this.#file ??= await openSpooled(this.#preparation)
    const length = Math.min(CHUNK_BYTES, this.#end - this.#at, this.#preparation.available - this.#at)
    const chunk = Buffer.allocUnsafe(length)
    const { bytesRead } = await this.#file.read(chunk, 0, length, this.#at)
    if (bytesRead !== length) throw new MdmError('MDM_INTEGRITY', 'a spool file was cut short')
    this.#at += length
    if (!this.destroyed) this.push(chunk)
  }
}

/** The file has another name once it is sealed; who was just opening it under the old one tries again. */
async function openSpooled(preparation: Preparation): Promise<FileHandle> {
  const path = preparation.container!.path
  try {
    return await open(path, 'r')
  } catch (error) {
    if (path === preparation.container!.path) throw error
    return openSpooled(preparation)
  }
}
