import { MdmError } from '../../errors.ts'
import { sliceRange, voxelBytes, type Volume } from '../volume.ts'
import { FORMATS, type Format } from './index.ts'
import type { FormatName } from './names.ts'
import { parseNrrdHeader } from './nrrd.ts'

export interface ConvertOptions {
  readonly volume?: Volume | undefined
  readonly slices?: readonly [number, number] | undefined
}

/**
 * Turns the NRRD plaintext into a file of the format named, as a stream that holds no more than one piece at a time.
 *
 * @param plaintext the header, then voxels; without `o.volume`, that is
 * @param o.volume  the whole volume, where it is known already: then only voxels come in
 * @param o.slices  first and last slice from 0, both included, where only their voxels come in; what comes out is a
 *                  volume of those slices, its origin moved
 * @throws MDM_INTEGRITY when the header is malformed or the voxels are not as many as it says
 * @throws MDM_RANGE | MDM_USAGE before any output
 */
export async function* convert(
  format: FormatName,
  plaintext: AsyncIterable<Buffer>,
  o: ConvertOptions = {},
): AsyncGenerator<Buffer> {
  const { pack = (file) => file } = FORMATS[format] as Format
  yield* pack(unpacked(FORMATS[format], plaintext, o))
}

async function* unpacked(
  format: Format,
  plaintext: AsyncIterable<Buffer>,
  o: ConvertOptions,
): AsyncGenerator<Buffer> {
  const part = (volume: Volume): Volume => (o.slices === undefined ? volume : sliceRange(volume, o.slices))
  let volume = o.volume && part(o.volume)
  if (volume !== undefined) yield format.header(volume)
  let encode = volume && format.encoder?.(volume)
  let left = volume === undefined ? 0 : voxelBytes(volume)
  let start: Buffer = Buffer.alloc(0)
  for await (const piece of plaintext) {
    let voxels: Buffer = piece
    if (volume === undefined) {
      start = Buffer.concat([start, piece])
      const parsed = parseNrrdHeader(start)
      if (parsed === undefined) continue
      volume = part(parsed.volume)
      left = voxelBytes(volume)
      voxels = start.subarray(parsed.headerBytes)
      encode = format.encoder?.(volume)
      yield format.header(volume)
    }
    left -= voxels.length
    if (left < 0) throw new MdmError('MDM_INTEGRITY', 'there are more voxels than the header says')
    if (encode !== undefined) voxels = encode(voxels)
    if (voxels.length > 0) yield voxels
  }
  if (volume === undefined || left > 0) {
    throw new MdmError('MDM_INTEGRITY', 'there are fewer voxels than the header says')
  }
}
