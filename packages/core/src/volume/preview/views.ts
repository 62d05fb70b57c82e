import { nearestAxes, type Axis } from '../orientation.ts'
import { spacing, type Vec3, type Volume } from '../volume.ts'

export const PLANES = ['axial', 'coronal', 'sagittal'] as const
export type PlaneName = (typeof PLANES)[number]

/** One axis of the volume as pixels: which pixels show each index. */
interface PixelAxis {
  readonly axis: Axis
  readonly pixels: number
  /** pixels that show an index: from, to (exclusive) */
  shown(index: number): readonly [number, number]
}

/** A middle slice: where it cuts, and how its two axes lie on the picture. */
export interface View {
  readonly plane: PlaneName
  readonly cut: { readonly axis: Axis; readonly index: number }
  readonly across: PixelAxis
  readonly down: PixelAxis
}

/** Axes of the patient across and down the picture, and whether each is drawn against its direction (LPS). */
const LAYOUT = {
  axial: { across: [0, 1], down: [1, 1] },
  coronal: { across: [0, 1], down: [2, -1] },
  sagittal: { across: [1, 1], down: [2, -1] },
} as const

/**
 * The middle slices of a volume as one looks at them: the patient's left at the right, back and feet below, each voxel as
 * wide and high as it is. A volume that leans is shown along its own axes.
 *
 * @param pixels of the longest side of the body that the volume covers
 */
export function viewsOf(volume: Volume, planes: readonly PlaneName[], pixels: number): View[] {
  const steps = spacing(volume)
  const nearest = nearestAxes(volume.spaceDirections.map((d, i) => d.map((x) => x / steps[i]!) as Vec3))
  const counts = [volume.columns, volume.rows, volume.slices] as const
  const centres = counts.map((n, axis) =>
    axis === 2 && volume.slicePositions !== undefined
      ? volume.slicePositions
      : Array.from({ length: n }, (_, i) => i * steps[axis]!),
  )
  const extents = centres.map((mm, axis) => mm.at(-1)! + steps[axis]!)
  const mmPerPixel = Math.max(...extents) / pixels
  const lay = ([world, direction]: readonly [Axis, 1 | -1]): PixelAxis => {
    const axis = nearest.findIndex((along) => along.world === world) as Axis
    const length = Math.max(1, Math.round(extents[axis]! / mmPerPixel))
    const isTurned = nearest[axis]!.sign * direction < 0
    return { axis, pixels: length, shown: shownBy(centres[axis]!, steps[axis], { length, isTurned }) }
  }
  return planes.map((plane) => {
    const { across, down } = { across: lay(LAYOUT[plane].across), down: lay(LAYOUT[plane].down) }
    const axis = ([0, 1, 2] as const).find((a) => a !== across.axis && a !== down.axis)!
    return { plane, cut: { axis, index: Math.floor(counts[axis] / 2) }, across, down }
  })
}

/** Each pixel shows the index whose centre is nearest to its own. @param centres mm, rising; @param step mm of one index */
function shownBy(
  centres: readonly number[],
  step: number,
  o: { length: number; isTurned: boolean },
): (index: number) => readonly [number, number] {
  const extent = centres.at(-1)! + step
  const first = (index: number) => {
    if (index === 0) return 0
    if (index === centres.length) return o.length
    const border = (centres[index - 1]! + centres[index]!) / 2 + step / 2
    return Math.min(o.length, Math.max(0, Math.ceil((border / extent) * o.length - 0.5)))
  }
  return (index) => {
    const [from, to] = [first(index), first(index + 1)]
    return o.isTurned ? [o.length - to, o.length - from] : [from, to]
  }
}
