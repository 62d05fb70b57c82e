import { MdmError } from '../../errors.ts'
import { VOXEL_BYTES, voxelBytes, type Volume } from '../volume.ts'
import { voxelReader } from '../voxel-reader.ts'
import { viewsOf, PLANES, type PlaneName, type View } from './views.ts'
import { windowOf, type Window } from './window.ts'

/** Pixels as rows of bytes: one for grey, three for colour. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3
  readonly data: Uint8Array
}

export interface Preview {
  readonly picture: Picture
  /** values shown black and white; of colours, which are shown as they are, nothing */
  readonly window?: Window
  /** where each middle slice is on the picture, in pixels */
  readonly views: readonly { plane: PlaneName; left: number; top: number; width: number; height: number }[]
}

export interface PreviewOptions {
  readonly planes?: readonly PlaneName[] | undefined
  /** of the longest side of the volume; 384 unless told */
  readonly pixels?: number | undefined
}

const PIXELS = 384
const GAP = 8
/** Rows looked at for the window, and voxels in each. */
const SAMPLED_ROWS = 2048
const SAMPLED_COLUMNS = 32

/**
 * Draws the middle slices of a volume beside each other, in one pass over its voxels and with no more than the pixels and one
 * piece of them in memory.
 *
 * @param voxels in order, without a header; a piece is used only until the next is asked for
 * @throws MDM_INTEGRITY when they are not as many as the volume has
 */
export async function previewOf(
  volume: Volume,
  voxels: AsyncIterable<Buffer>,
  o: PreviewOptions = {},
): Promise<Preview> {
  const canvases = viewsOf(volume, o.planes ?? PLANES, o.pixels ?? PIXELS).map(
    (view) => new Canvas(view, volume),
  )
  const samples: number[] = []
  const isSampled = rowSampler(volume)
  const rowBytes = volume.columns * VOXEL_BYTES[volume.type]
  let row = 0
  for await (const lines of wholeRows(volume, rowBytes, voxels)) {
    for (let at = 0; at < lines.length; at += rowBytes, row++) {
      const line = lines.subarray(at, at + rowBytes)
      const [j, k] = [row % volume.rows, Math.floor(row / volume.rows)]
      for (const canvas of canvases) canvas.draw(line, j, k)
      if (volume.type !== 'rgb24' && isSampled(row)) samples.push(...sampled(line, volume))
    }
  }
  const window = volume.type === 'rgb24' ? undefined : windowOf(samples)
  return compose(canvases, volume, window)
}

/** One middle slice, filled row by row of the volume. */
class Canvas {
  readonly view: View
  readonly width: number
  readonly height: number
  /** values after rescale; of colours three for each pixel */
  readonly values: Float64Array
  readonly #volume: Volume
  readonly #channels: 1 | 3

  constructor(view: View, volume: Volume) {
    this.view = view
    this.#volume = volume
    this.#channels = volume.type === 'rgb24' ? 3 : 1
    this.width = view.across.pixels
    this.height = view.down.pixels
    this.values = new Float64Array(this.width * this.height * this.#channels)
  }

  /** @param line voxels (0, j, k) to (columns - 1, j, k) */
  draw(line: Buffer, j: number, k: number): void {
    const { cut } = this.view
    if ((cut.axis === 1 && j !== cut.index) || (cut.axis === 2 && k !== cut.index)) return
    const read = voxelReader(line, this.#volume.type)
    if (cut.axis === 0) this.#fill(read, cut.index, j, k)
    else for (let i = 0; i < this.#volume.columns; i++) this.#fill(read, i, j, k)
  }

  #fill(read: (at: number) => number, ...index: [number, number, number]): void {
    const { across, down } = this.view
    const [left, right] = across.shown(index[across.axis])
    const [top, bottom] = down.shown(index[down.axis])
    if (left >= right || top >= bottom) return
    const { type, slope, intercept } = this.#volume
    const at = index[0] * VOXEL_BYTES[type]
    for (let channel = 0; channel < this.#channels; channel++) {
      const value = this.#channels === 3 ? read(at + channel) : read(at) * slope + intercept
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++)
          this.values[(y * this.width + x) * this.#channels + channel] = value
    }
  }
}

function compose(canvases: readonly Canvas[], volume: Volume, window: Window | undefined): Preview {
  const channels = volume.type === 'rgb24' ? 3 : 1
  const width = canvases.reduce((sum, canvas) => sum + canvas.width, GAP * (canvases.length - 1))
  const height = Math.max(...canvases.map((canvas) => canvas.height))
  const data = new Uint8Array(width * height * channels)
  let left = 0
  const views = canvases.map((canvas) => {
    const top = Math.floor((height - canvas.height) / 2)
    for (let y = 0; y < canvas.height; y++) {
      const from = y * canvas.width * channels
      const line = canvas.values.subarray(from, from + canvas.width * channels)
      data.set(
        Uint8Array.from(line, (value) => shade(value, volume, window)),
        ((top + y) * width + left) * channels,
      )
    }
    const placed = { plane: canvas.view.plane, left, top, width: canvas.width, height: canvas.height }
    left += canvas.width + GAP
    return placed
  })
  return { picture: { width, height, channels, data }, ...(window === undefined ? {} : { window }), views }
}

function shade(value: number, volume: Volume, window: Window | undefined): number {
  if (window === undefined) return value
  if (Number.isNaN(value)) return 0
  const share = Math.min(Math.max((value - window.low) / (window.high - window.low), 0), 1)
  return Math.round(255 * (volume.inverted === true ? 1 - share : share))
}

/** The rows of a volume in order, one or more at a time, however its voxels are cut. */
async function* wholeRows(
  volume: Volume,
  rowBytes: number,
  voxels: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  let [left, rest]: [number, Buffer] = [voxelBytes(volume), Buffer.alloc(0)]
  for await (const piece of voxels) {
    left -= piece.length
    if (left < 0) throw new MdmError('MDM_INTEGRITY', 'there are more voxels than the header says')
    const known = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const whole = known.length - (known.length % rowBytes)
    if (whole > 0) yield known.subarray(0, whole)
    rest = Buffer.from(known.subarray(whole))
  }
  if (left > 0) throw new MdmError('MDM_INTEGRITY', 'there are fewer voxels than the header says')
}

/** Rows spread over the volume, not in step with its slices: those whose scrambled number is a low one. */
function rowSampler({ rows, slices }: Volume): (row: number) => boolean {
  const every = Math.max(1, (rows * slices) / SAMPLED_ROWS)
  return (row) => (Math.imul(row, 0x9e3779b1) >>> 0) * every < 2 ** 32
}

function sampled(line: Buffer, { columns, type, slope, intercept }: Volume): number[] {
  const read = voxelReader(line, type)
  const count = Math.min(columns, SAMPLED_COLUMNS)
  return Array.from({ length: count }, (_, i) => {
    const column = Math.floor(((i + 0.5) * columns) / count)
    return read(column * VOXEL_BYTES[type]) * slope + intercept
  })
}
