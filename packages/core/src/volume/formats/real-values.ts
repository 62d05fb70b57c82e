import { VOXEL_BYTES, type Volume, type VoxelType } from '../volume.ts'
import { voxelReader } from '../voxel-reader.ts'

/** What holds the real values of voxels of a type: float32 for those of 8 and 16 bits, float64 for wider ones. */
export function realType(type: VoxelType): 'float32' | 'float64' {
  return VOXEL_BYTES[type] >= 4 ? 'float64' : 'float32'
}

/**
 * Writes `stored * slope + intercept` for each voxel, as realType says.
 *
 * @returns what turns the next piece of voxels, cut anywhere, into values
 */
export function encodeReal({
  type,
  slope,
  intercept,
}: Pick<Volume, 'type' | 'slope' | 'intercept'>): (voxels: Buffer) => Buffer {
  const from = VOXEL_BYTES[type]
  const to = VOXEL_BYTES[realType(type)]
  let rest: Buffer = Buffer.alloc(0)
  return (piece) => {
    const voxels = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const count = Math.floor(voxels.length / from)
    const values = Buffer.allocUnsafeSlow(count * to)
    const stored = voxelReader(voxels, type)
    for (let i = 0; i < count; i++) {
      const value = stored(i * from) * slope + intercept
      if (to === 8) values.writeDoubleLE(value, i * to)
      else values.writeFloatLE(value, i * to)
    }
    rest = Buffer.from(voxels.subarray(count * from))
    return values
  }
}
