import type { FrameShape } from '../frame-shape.ts'
import type { StreamInfo } from './codec-module.ts'
import { Misfit } from './misfit.ts'

/**
 * Holds what a stream says of itself against the header, before a decoder takes memory for it.
 *
 * @throws Misfit
 */
export function expectSize(
  { width, height, componentCount, bitsPerSample }: StreamInfo,
  shape: FrameShape,
): void {
  if (width !== shape.columns || height !== shape.rows || componentCount !== shape.samples)
    throw new Misfit('shape')
  if (bitsPerSample > shape.bitsAllocated) throw new Misfit('bits')
}
