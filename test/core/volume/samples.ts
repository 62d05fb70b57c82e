import { convert, nrrdHeader, type FormatName } from '@mdm/core/volume/formats/index'
import { VOXEL_BYTES, voxelBytes, type SeriesAxis, type Vec3, type Volume } from '@mdm/core/volume/volume'

const turned = (a: number, b: number): Volume['spaceDirections'] => {
  const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)]
  const steps = [0.7, 0.8, 2.5] as const
  const axes: Vec3[] = [[ca, sa * cb, sa * sb], [-sa, ca * cb, ca * sb], [0, -sb, cb]] // prettier-ignore
  return axes.map((axis, i) => axis.map((x) => x * steps[i]!) as Vec3) as Volume['spaceDirections']
}

/** How a stack may lie in the body, in LPS. */
export const ORIENTATIONS: Readonly<Record<string, Volume['spaceDirections']>> = {
  axial: [[0.7, 0, 0], [0, 0.8, 0], [0, 0, 2.5]], // prettier-ignore
  sagittal: [[0, 0.7, 0], [0, 0, -0.8], [2.5, 0, 0]], // prettier-ignore
  coronal: [[0.7, 0, 0], [0, 0, -0.8], [0, 2.5, 0]], // prettier-ignore
  'left-handed': [[0.7, 0, 0], [0, 0.8, 0], [0, 0, -2.5]], // prettier-ignore
  oblique: turned(0.4, -1.1),
  'leaning a little': [[0.7, 0, 0], [0, 0.8, 0], [0, 0.002, 2.5]], // prettier-ignore
  sheared: [[0.7, 0, 0], [0, 0.8, 0], [0, 0.8, 2.35]], // prettier-ignore
}

/** 5 x 4 x 3 voxels in an orientation. */
export function sampleVolume(orientation: string, over: Partial<Volume> & Pick<Volume, 'type'>): Volume {
  return {
    columns: 5,
    rows: 4,
    slices: 3,
    spaceDirections: ORIENTATIONS[orientation]!,
    origin: [-101.25, 37.5, 410.0625],
    slope: 1,
    intercept: 0,
    modality: 'MR',
    ...over,
  }
}

/** Voxels that reach both ends of their type. */
export function sampleVoxels(volume: Volume, seed = 1): Buffer {
  const voxels = Buffer.alloc(voxelBytes(volume))
  const { type } = volume
  if (!type.startsWith('float')) {
    for (let i = 0; i < voxels.length; i++) voxels[i] = (i * 89 + seed * 17 + (i >> 3)) & 0xff
    return voxels
  }
  for (let at = 0, i = 0; at < voxels.length; at += VOXEL_BYTES[type], i++) {
    const value = ((i % 7) - 3) * 1.1 ** i * seed
    if (type === 'float32') voxels.writeFloatLE(value, at)
    else voxels.writeDoubleLE(value, at)
  }
  return voxels
}

/** Stored numbers; of colours each sample. */
export function storedNumbers({ type }: Volume, voxels: Buffer): number[] {
  const memory = Uint8Array.from(voxels).buffer
  const views = {
    int8: Int8Array,
    uint8: Uint8Array,
    int16: Int16Array,
    uint16: Uint16Array,
    int32: Int32Array,
    uint32: Uint32Array,
    float32: Float32Array,
    float64: Float64Array,
    rgb24: Uint8Array,
  }
  return [...new views[type](memory)]
}

/** The file that a get writes; of a set where `axis` is given. */
export async function fileOf(
  format: FormatName,
  volume: Volume,
  voxels: Buffer,
  axis?: SeriesAxis,
): Promise<Buffer> {
  const out: Buffer[] = []
  const plaintext = async function* () {
    if (axis === undefined) yield nrrdHeader(volume)
    yield voxels
  }
  const o = axis === undefined ? {} : { volume, axis }
  for await (const piece of convert(format, plaintext(), o)) out.push(piece)
  return Buffer.concat(out)
}
