import type { VoxelType } from './volume.ts'

/** @returns reads the number at a byte offset; of colours one sample */
export function voxelReader(voxels: Buffer, type: VoxelType): (at: number) => number {
  switch (type) {
    case 'int8':
      return (at) => voxels.readInt8(at)
    case 'uint8':
    case 'rgb24':
      return (at) => voxels.readUInt8(at)
    case 'int16':
      return (at) => voxels.readInt16LE(at)
    case 'uint16':
      return (at) => voxels.readUInt16LE(at)
    case 'int32':
      return (at) => voxels.readInt32LE(at)
    case 'uint32':
      return (at) => voxels.readUInt32LE(at)
    case 'float32':
      return (at) => voxels.readFloatLE(at)
    case 'float64':
      return (at) => voxels.readDoubleLE(at)
  }
}
