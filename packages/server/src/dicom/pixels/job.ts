import type { MisfitReason } from './codecs/misfit.ts'
import type { FrameShape } from './frame-shape.ts'
import type { Coding } from './transfer-syntaxes.ts'

/** A compressed frame, as it goes to a worker. */
export interface DecodeJob {
  readonly coding: Exclude<Coding, 'native'>
  /** in memory of its own, which goes with it */
  readonly stream: Uint8Array<ArrayBuffer>
  readonly shape: FrameShape
}

/** What a worker makes of it: frameBytes(shape) bytes in memory of their own, or why not. */
export type DecodeAnswer =
  { readonly pixels: Uint8Array<ArrayBuffer>; readonly reason?: never } | { readonly reason: MisfitReason }
