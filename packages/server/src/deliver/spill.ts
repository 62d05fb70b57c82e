import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { diskFault } from './disk-fault.ts'
import { free } from '@mdm/core/memory'
import type { Discard } from './spool.ts'

const BLOCK_BYTES = 1024 * 1024
const TAG_BYTES = 16

/** Where one spilled piece lies: its ciphertext begins at `at`, its plaintext belongs at `start` of its frame. */
export interface SpilledPiece {
  readonly at: number
  readonly bytes: number
  readonly start: number
  readonly nonce: number
}

/** Pieces of frames that did not fit into the window, each sealed alone. */
export interface Spill {
  /** Bytes written so far, 0 when nothing was ever spilled. */
  readonly bytes: number
  /** Seals a piece (at most a frame) and keeps it. @throws MDM_SPOOL_FULL */
  put(piece: Uint8Array, start: number): Promise<SpilledPiece>
  /** Opens a piece into `frame` at its place. @throws MDM_INTEGRITY when the file was altered */
  take(piece: SpilledPiece, frame: Buffer): Promise<void>
  /** Deletes the file and forgets its key. */
  remove(): Promise<void>
}

/** Disk space that `pieces` spilled pieces of together `bytes` plaintext bytes take. */
export function spillLength(bytes: number, pieces: number): number {
  return bytes + pieces * TAG_BYTES
}

/**
 * A file of AES-256-GCM pieces under a random key that never leaves this process, nonces counted from 1: what is left on
 * disk after a crash is noise. The file (0600) is made at the first piece.
 *
 * @param path a name that does not exist yet
 * @param discard deletes it in the end
 * @see NIST SP 800-38D section 8.2.1 (deterministic nonces)
 */
export function createSpill(
  path: string,
  discard: Discard = (...files) => rm(files[0]!, { force: true }),
): Spill {
  const key = randomBytes(32)
  // pieces may be tiny: they are gathered, as ciphertext, and written a block at a time
  let block = Buffer.alloc(0)
  let filled = 0
  let flushed = 0
  let count = 0
  let file: FileHandle | undefined

  async function flush(): Promise<void> {
    try {
      file ??= await open(path, 'wx+', 0o600)
      await writeAll(file, block.subarray(0, filled), flushed)
    } catch (error) {
      throw diskFault(error)
    }
    flushed += filled
    filled = 0
  }

  async function read(at: number, length: number): Promise<Buffer> {
    if (at >= flushed) return block.subarray(at - flushed, at - flushed + length)
    const bytes = Buffer.allocUnsafe(length)
    const { bytesRead } = await file!.read(bytes, 0, length, at)
    if (bytesRead !== length)
      throw new MdmError('MDM_INTEGRITY', 'the spill file of a preparation was cut short')
    return bytes
  }

  return {
    get bytes() {
      return flushed + filled
    },
    async put(piece, start) {
      if (block.length === 0) block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
      if (filled + piece.length + TAG_BYTES > block.length) await flush()
      const nonce = ++count
      const at = flushed + filled
      const cipher = createCipheriv('aes-256-gcm', key, nonceOf(nonce), { authTagLength: TAG_BYTES })
      const ciphertext = cipher.update(piece)
      filled += ciphertext.copy(block, filled)
      free(ciphertext)
      cipher.final()
      filled += cipher.getAuthTag().copy(block, filled)
      return { at, bytes: piece.length, start, nonce }
    },
    async take(piece, frame) {
      const sealed = await read(piece.at, piece.bytes + TAG_BYTES)
      const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(piece.nonce), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAuthTag(sealed.subarray(piece.bytes))
      const plaintext = decipher.update(sealed.subarray(0, piece.bytes))
      try {
        decipher.final()
      } catch (cause) {
        throw new MdmError('MDM_INTEGRITY', 'the spill file of a preparation was altered', { cause })
      }
      plaintext.copy(frame, piece.start)
      plaintext.fill(0)
      free(plaintext)
    },
    async remove() {
      key.fill(0)
      block = Buffer.alloc(0)
      const open = file
      file = undefined
      await open?.close()
      if (open !== undefined) await discard(path)
    },
  }
}

function nonceOf(count: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(count, 6, 6)
  return nonce
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}
