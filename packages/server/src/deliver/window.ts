import { FRAME_BYTES } from '@mdm/core/crypto/container/profile'

/** How much plaintext of unfinished frames may wait in memory, for all preparations together (FLOW 2.3). */
export const WINDOW_BYTES = 64 * 1024 * 1024

/** Frame buffers that are lent out and come back: the only place where out-of-order plaintext waits in memory. */
export interface Window {
  /** A buffer of FRAME_BYTES, or undefined when the window is full. */
  lend(): Buffer | undefined
  /** Takes a lent buffer back and clears it. */
  giveBack(buffer: Buffer): void
}

/**
 * Makes the window of one process. Buffers are reused, so that slices in a bad order do not keep the garbage collector
 * busy; when the last one is back, all memory is let go.
 *
 * @param bytes the most that is lent out at once, rounded down to whole frames
 */
export function createWindow(bytes = WINDOW_BYTES): Window {
  const most = Math.floor(bytes / FRAME_BYTES)
  let free: Buffer[] = []
  let lent = 0
  return {
    lend() {
      if (lent >= most) return undefined
      lent++
      // not from Node's shared pool: a lent buffer must not keep other memory alive
      return free.pop() ?? Buffer.allocUnsafeSlow(FRAME_BYTES)
    },
    giveBack(buffer) {
      buffer.fill(0)
      lent--
      if (lent === 0) free = []
      else free.push(buffer)
    },
  }
}
