import { frameBytes, type FrameShape } from '../frame-shape.ts'
import { interleaved } from '../interleave.ts'
import type { Decoded } from './codec-module.ts'
import { Misfit } from './misfit.ts'

/**
 * What a decoder gave, as the pixels that the header declares.
 *
 * @returns frameBytes(shape) bytes, little endian, samples beside each other; numbers with a sign are extended to all bits
 * @throws Misfit when size, number of samples or bits are not those of the header, or a number does not fit the bits stored
 */
export function fit({ samples, info, planar }: Decoded, shape: FrameShape): Uint8Array<ArrayBuffer> {
  const { rows, columns, bitsAllocated, bitsStored } = shape
  if (info.width !== columns || info.height !== rows || info.componentCount !== shape.samples)
    throw new Misfit('shape')
  const bytesEach = info.bitsPerSample > 8 ? 2 : 1
  if (samples.length !== rows * columns * shape.samples * bytesEach) throw new Misfit('malformed')
  if (info.bitsPerSample > bitsAllocated) throw new Misfit('bits')
  const beside = planar && shape.samples > 1 ? interleaved(samples, shape.samples, bytesEach) : samples
  const same = info.bitsPerSample === bitsStored && (info.isSigned ?? false) === shape.signed
  if (same && bytesEach * 8 === bitsAllocated) return beside
  return refitted(beside, bytesEach, info, shape)
}

/** One number after the other: read as the stream means it, held against the bits stored, written as the header means it. */
function refitted(
  samples: Uint8Array,
  bytesEach: 1 | 2,
  { bitsPerSample, isSigned = false }: Decoded['info'],
  shape: FrameShape,
): Uint8Array<ArrayBuffer> {
  const { bitsStored, bitsAllocated, signed } = shape
  const from =
    bytesEach === 1 ? samples : new Uint16Array(samples.buffer, samples.byteOffset, samples.length / 2)
  const out = new Uint8Array(frameBytes(shape))
  const to = bitsAllocated === 8 ? out : new Uint16Array(out.buffer)
  const shift = 32 - (isSigned ? 8 * bytesEach : bitsPerSample)
  const [least, most] = signed
    ? [-(2 ** (bitsStored - 1)), 2 ** (bitsStored - 1) - 1]
    : [0, 2 ** bitsStored - 1]
  // A stream with fewer bits than are stored, and no sign: nobody can say what its upper half means.
  const unclear = signed && !isSigned && bitsPerSample < bitsStored
  for (let i = 0; i < from.length; i++) {
    const extended = (from[i]! << shift) >> shift
    const value = isSigned || signed ? extended : from[i]!
    if (value < least || value > most || (unclear && value < 0)) throw new Misfit('bits')
    to[i] = value
  }
  return out
}
