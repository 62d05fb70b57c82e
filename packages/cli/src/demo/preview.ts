import { parseNrrdHeader } from '@mdm/core/volume/formats/nrrd'
import { VOXEL_BYTES, sliceSpan, type Volume, type VoxelType } from '@mdm/core/volume/volume'

/** How a picture may be drawn. */
export interface Canvas {
  readonly columns: number
  readonly rows: number
  /** half blocks in grey where true, else one ASCII character a cell */
  readonly colour: boolean
}

/** Draws the middle slice of an NRRD file as text, dark to bright. */
export function previewNrrd(file: Buffer, canvas: Canvas): string {
  const parsed = parseNrrdHeader(file)
  if (parsed === undefined) return ''
  const { volume, headerBytes } = parsed
  const { start, end } = sliceSpan(volume, headerBytes, Math.floor(volume.slices / 2))
  return preview(volume, file.subarray(start, end), canvas)
}

/**
 * Draws one slice.
 *
 * @param voxels the slice, little endian, column index fastest
 */
export function preview(volume: Volume, voxels: Buffer, canvas: Canvas): string {
  const values = numbers(voxels, volume.type)
  const { low, high } = windowOf(volume, values)
  const { width, height } = fit(volume, canvas)
  const grey = (x: number, y: number) => {
    const column = Math.floor(((x + 0.5) * volume.columns) / width)
    const row = Math.floor(((y + 0.5) * volume.rows) / height)
    const share = (values[row * volume.columns + column]! - low) / (high - low)
    return Math.min(Math.max(volume.inverted === true ? 1 - share : share, 0), 1)
  }
  const lines = Array.from({ length: Math.floor(height / (canvas.colour ? 2 : 1)) }, (_, y) =>
    Array.from({ length: width }, (_, x) =>
      canvas.colour ? halfBlock(grey(x, 2 * y), grey(x, 2 * y + 1)) : letter(grey(x, y)),
    ).join(''),
  )
  return lines.map((line) => `${canvas.colour ? `${line}\u001b[0m` : line.trimEnd()}\n`).join('')
}

/** Hounsfield units have a window that shows soft tissue; anything else is shown from its own dark to its own bright. */
function windowOf(volume: Volume, values: readonly number[]): { low: number; high: number } {
  if (volume.units === 'HU') {
    const stored = (value: number) => (value - volume.intercept) / volume.slope
    return { low: stored(-160), high: stored(240) }
  }
  const sorted = values.toSorted((a, b) => a - b)
  const low = sorted[Math.floor(sorted.length * 0.02)]!
  return { low, high: Math.max(sorted[Math.floor(sorted.length * 0.99)]!, low + 1) }
}

/** The greatest picture that fits and keeps the proportions: a half block is square, a letter twice as high as wide. */
function fit(volume: Volume, canvas: Canvas): { width: number; height: number } {
  const [column, row] = volume.spaceDirections.map((v) => Math.hypot(...v)) as [number, number, number]
  const aspect = ((volume.rows * row) / (volume.columns * column)) * (canvas.colour ? 1 : 0.5)
  const most = canvas.rows * (canvas.colour ? 2 : 1)
  const width = Math.max(1, Math.min(canvas.columns, Math.floor(most / aspect)))
  return { width, height: Math.max(2, Math.round(width * aspect)) }
}

const RAMP = ' .:-=+*#%@'

function letter(share: number): string {
  return RAMP[Math.min(Math.floor(share * RAMP.length), RAMP.length - 1)]!
}

/** Upper half in the foreground, lower half in the background, of the 24 greys of a 256-colour terminal. */
function halfBlock(upper: number, lower: number): string {
  const code = (share: number) => 232 + Math.round(share * 23)
  return `\u001b[38;5;${code(upper)};48;5;${code(lower)}m▀`
}

function numbers(voxels: Buffer, type: VoxelType): number[] {
  const bytes = VOXEL_BYTES[type]
  const read = type.startsWith('u')
    ? (offset: number) => voxels.readUIntLE(offset, bytes)
    : (offset: number) => voxels.readIntLE(offset, bytes)
  return Array.from({ length: Math.floor(voxels.length / bytes) }, (_, i) => read(i * bytes))
}
