import { createHash } from 'node:crypto'
import { free } from '@mdm/core/memory'
import type { FrameFile } from './frame-file.ts'

/** Frames read back at once: 1 MiB. */
const READ_FRAMES = 16

/** SHA-256 of a plaintext in its order, although its frames are sealed in any order. */
export interface PlaintextDigest {
  /** Call it for each frame when it is sealed: the next in order is hashed from memory. */
  sealed(index: number, plaintext: Uint8Array): void
  /** Hashes sealed frames that came too early, from disk, as far as there is no gap. */
  catchUp(): Promise<void>
  /** @returns hex; all frames must have been sealed and caught up */
  finish(): string
}

/**
 * In order nothing is ever read back. What came out of order is read from the spool file and opened, one MiB at a time,
 * so that the memory does not depend on the order.
 *
 * @param openFrame opens a record of this container, with its key still in memory
 */
export function createPlaintextDigest(
  file: Pick<FrameFile, 'contiguous' | 'read'>,
  openFrame: (index: number, record: Buffer) => Buffer,
): PlaintextDigest {
  const hash = createHash('sha256')
  /** next frame to hash, from 1 */
  let next = 1
  return {
    sealed(index, plaintext) {
      if (index !== next) return
      hash.update(plaintext)
      next++
    },
    async catchUp() {
      while (next < file.contiguous) {
        const last = Math.min(next + READ_FRAMES, file.contiguous) - 1
        const records = await file.read(next, last)
        const recordBytes = records.length / (last - next + 1)
        for (let at = 0; at < records.length; at += recordBytes) {
          const plaintext = openFrame(next, records.subarray(at, at + recordBytes))
          hash.update(plaintext)
          plaintext.fill(0)
          free(plaintext)
          next++
        }
        free(records)
      }
    },
    finish: () => hash.digest('hex'),
  }
}
