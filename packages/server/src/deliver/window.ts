import { FRAME_BYTES } from '@mdm/core/crypto/container/profile'

/** How much plaintext of unfinished frames may wait in memory, for all preparations together (FLOW 2.3). */
export const WINDOW_BYTES = 64 * 1024 * 1024

/** Frames allocated together: 4 MiB. */
const BLOCK_FRAMES = 64

/** Frame buffers that are lent out and come back: the only place where out-of-order plaintext waits in memory. */
export interface Window {
  /** A buffer of FRAME_BYTES, or undefined when the window is full. */
  lend(): Buffer | undefined
  /** Takes a lent buffer back and clears it. */
  giveBack(buffer: Buffer): void
  /** what is lent out now */
  readonly lentBytes: number
}

/**
 * Makes the window of one process. Buffers are reused, so that slices in a bad order do not keep the garbage collector
 * busy; when all are back, all memory but one block is let go.
 *
 * @param bytes the most that is lent out at once, rounded down to whole frames
 */
export function createWindow(bytes = WINDOW_BYTES): Window {
  const most = Math.floor(bytes / FRAME_BYTES)
  let first: Buffer[] = []
  let free: Buffer[] = []
  let lent = 0
  return {
    get lentBytes() {
      return lent * FRAME_BYTES
    },
    lend() {
      if (lent >= most) return undefined
      if (free.length === 0) {
        free = block(most)
        if (first.length === 0) first = [...free]
      }
      lent++
      return free.pop()
    },
    giveBack(buffer) {
      buffer.fill(0)
      lent--
      if (lent === 0) free = [...first]
      else free.push(buffer)
    },
  }
}

/** Cut from one large piece, so that the window is not scattered between short-lived buffers. */
function block(most: number): Buffer[] {
  const memory = Buffer.allocUnsafeSlow(Math.min(BLOCK_FRAMES, most) * FRAME_BYTES)
  return Array.from({ length: memory.length / FRAME_BYTES }, (_, i) =>
    memory.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES),
  )
}
