import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

/** Blocks of disks and pages of memory: what is written past the page cache is a multiple of it, from a multiple of it. */
const BLOCK_BYTES = 4096

/**
 * A new file (mode 0600) that is written past the page cache where the system can: what has to be on the disk in the end
 * is copied once less on its way, is under way at once, and leaves nothing for the sync.
 */
export class DirectFile {
  readonly #plain: FileHandle
  #direct: FileHandle | undefined

  private constructor(plain: FileHandle, direct: FileHandle | undefined) {
    this.#plain = plain
    this.#direct = direct
  }

  /** @throws EEXIST when there is something under that name */
  static async create(path: string): Promise<DirectFile> {
    const plain = await open(path, 'wx', 0o600)
    const { O_DIRECT, O_WRONLY, O_NOFOLLOW } = constants
    const direct =
      O_DIRECT === undefined
        ? undefined
        : await open(path, O_WRONLY | O_DIRECT | O_NOFOLLOW).catch(() => undefined)
    return new DirectFile(plain, direct)
  }

  /** As of a FileHandle; the beginning of `bytes.buffer` is taken for aligned, as blockBuffer makes it. */
  async write(
    bytes: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }> {
    const aligned = [bytes.byteOffset + offset, length, position].every((n) => n % BLOCK_BYTES === 0)
    if (this.#direct !== undefined && aligned) {
      try {
        return await this.#direct.write(bytes, offset, length, position)
      } catch (error) {
        // a file system that takes the flag and then wants larger blocks, or none
        if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
        await this.#forgetDirect()
      }
    }
    return await this.#plain.write(bytes, offset, length, position)
  }

  /** Waits until all that was written is on the disk. */
  async sync(): Promise<void> {
    await this.#plain.sync()
  }

  async close(): Promise<void> {
    await this.#forgetDirect()
    await this.#plain.close()
  }

  async #forgetDirect(): Promise<void> {
    const direct = this.#direct
    this.#direct = undefined
    await direct?.close()
  }
}

/** A buffer at the beginning of a page: V8 takes the memory of one that could be resized from the system itself. */
export function blockBuffer(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes, { maxByteLength: bytes }))
}
