import { MdmError } from '../../errors.ts'
import { sliceRange, voxelBytes, type SeriesAxis, type Volume } from '../volume.ts'
import { FORMATS, type Format } from './index.ts'
import type { FormatName } from './names.ts'
import { parseNrrdHeader } from './nrrd.ts'

export interface ConvertOptions {
  readonly volume?: Volume | undefined
  readonly slices?: readonly [number, number] | undefined
  readonly axis?: SeriesAxis | undefined
  readonly onVolume?: ((volume: Volume) => void) | undefined
}

/**
 * Turns the NRRD plaintext into a file of the format named, as a stream that holds no more than one piece at a time.
 *
 * @param plaintext the header, then voxels; without `o.volume`, that is
 * @param o.volume  the whole volume, where it is known already: then only voxels come in
 * @param o.slices  first and last slice from 0, both included, where only their voxels come in; what comes out is a
 *                  volume of those slices, its origin moved
 * @param o.axis    where the voxels of all volumes of a set come in, one after the other; only with `o.volume`
 * @param o.onVolume told what the file holds, once, before any output
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
  let [left, start]: [number, Buffer] = [0, Buffer.alloc(0)]
  let encode: ReturnType<NonNullable<Format['encoder']>>
  const begin = (whole: Volume): Buffer => {
    const volume = o.slices === undefined ? whole : sliceRange(whole, o.slices)
    const header = format.header(volume, o.axis)
    left = voxelBytes(volume) * (o.axis?.values.length ?? 1)
    encode = format.encoder?.(volume)
    o.onVolume?.(volume)
    return header
  }
  let known = o.volume !== undefined
  if (o.volume !== undefined) yield begin(o.volume)
  for await (const piece of plaintext) {
    let voxels: Buffer = piece
    if (!known) {
      start = Buffer.concat([start, piece])
      const parsed = parseNrrdHeader(start)
      if (parsed === undefined) continue
      known = true
      voxels = start.subarray(parsed.headerBytes)
      yield begin(parsed.volume)
    }
    left -= voxels.length
    if (left < 0) throw new MdmError('MDM_INTEGRITY', 'there are more voxels than the header says')
    if (encode !== undefined) voxels = encode(voxels)
    if (voxels.length > 0) yield voxels
  }
  if (!known || left > 0) {
    throw new MdmError('MDM_INTEGRITY', 'there are fewer voxels than the header says')
  }
}
