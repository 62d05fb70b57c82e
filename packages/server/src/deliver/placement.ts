import { FRAME_BYTES } from '@mdm/core/crypto/container/profile'
import { MdmError } from '@mdm/core/errors'
import type { Spill, SpilledPiece } from './spill.ts'
import type { Window } from './window.ts'

/** Takes a frame as soon as its bytes are complete; `plaintext` is only lent for the call. Frames count from 1. */
export type FrameReady = (index: number, plaintext: Buffer) => void | Promise<void>

/** Cuts slices, in any order, into the frames of one plaintext. */
export interface Placement {
  /** Bytes placed so far; equal to plaintextBytes when all is there. */
  readonly placed: number
  /** Places bytes that were not placed before, and hands out each frame they complete. */
  put(offset: number, bytes: Buffer): Promise<void>
  /** Gives all waiting memory back. */
  clear(): void
}

interface Partial {
  filled: number
  buffer?: Buffer
  spilled: SpilledPiece[]
}

/**
 * Frames wholly inside one slice go on at once and are never copied. Pieces of the others wait in a buffer of the window,
 * or, when it is full, in the spill file.
 *
 * @param plaintextBytes length of the plaintext; every frame but the last has FRAME_BYTES of it
 */
export function createPlacement(o: {
  plaintextBytes: number
  window: Window
  spill: Spill
  ready: FrameReady
}): Placement {
  const partials = new Map<number, Partial>()
  let placed = 0
  let scratch: Buffer | undefined

  /** Adds a piece to a frame; a piece that completes its frame is never spilled. */
  async function addPiece(index: number, start: number, piece: Buffer, frameBytes: number): Promise<void> {
    let partial = partials.get(index)
    if (partial === undefined) partials.set(index, (partial = { filled: 0, spilled: [] }))
    partial.filled += piece.length
    if (partial.filled > frameBytes)
      throw new MdmError('MDM_INTERNAL', 'a frame was given more bytes than it has')
    if (partial.filled === frameBytes) {
      partials.delete(index)
      return complete(index, partial, start, piece, frameBytes)
    }
    partial.buffer ??= o.window.lend()
    if (partial.buffer === undefined) partial.spilled.push(await o.spill.put(piece, start))
    else piece.copy(partial.buffer, start)
  }

  async function complete(
    index: number,
    partial: Partial,
    start: number,
    piece: Buffer,
    frameBytes: number,
  ): Promise<void> {
    const frame = partial.buffer ?? (scratch ??= Buffer.allocUnsafeSlow(FRAME_BYTES))
    try {
      for (const spilled of partial.spilled) await o.spill.take(spilled, frame)
      piece.copy(frame, start)
      await o.ready(index, frame.subarray(0, frameBytes))
    } finally {
      if (partial.buffer !== undefined) o.window.giveBack(partial.buffer)
    }
  }

  return {
    get placed() {
      return placed
    },
    async put(offset, bytes) {
      if (offset < 0 || offset + bytes.length > o.plaintextBytes)
        throw new MdmError('MDM_INTERNAL', 'bytes outside the plaintext')
      for (let done = 0; done < bytes.length;) {
        const at = offset + done
        const index = Math.floor(at / FRAME_BYTES) + 1
        const start = at % FRAME_BYTES
        const frameBytes = Math.min(FRAME_BYTES, o.plaintextBytes - (index - 1) * FRAME_BYTES)
        const length = Math.min(frameBytes - start, bytes.length - done)
        const piece = bytes.subarray(done, done + length)
        if (length === frameBytes) await o.ready(index, piece)
        else await addPiece(index, start, piece, frameBytes)
        done += length
      }
      placed += bytes.length
    },
    clear() {
      for (const { buffer } of partials.values()) if (buffer !== undefined) o.window.giveBack(buffer)
      partials.clear()
      scratch?.fill(0)
      scratch = undefined
    },
  }
}
