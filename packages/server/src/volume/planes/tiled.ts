import type { Vec3 } from '@mdm/core/volume/volume'
import type { InstanceHeader, TileFacts } from '../../dicom/source.ts'
import type { Fault } from '../judge.ts'
import type { Plane } from '../plane.ts'
import { cross, dot, length, scale, subtract } from '../vector.ts'
import { isSpacing, planeOf } from './plane-facts.ts'
import { objectValues } from './value-map.ts'

/** Distances of slices that two elements give may differ by this part, and by DISTANCE_MM besides. */
const DISTANCE_PART = 0.01
const DISTANCE_MM = 0.01
/** cos of the angle between the normal that is said and that of the slices may be less than 1 by this. */
const NORMAL = 1e-3

type Size = Pick<Plane, 'rows' | 'columns'>

/**
 * A plane for each tile of a Siemens mosaic or a UIH grid: slices of one volume, in rows of ceil(sqrt(count)) tiles.
 *
 * @param size of the whole image
 */
export function tilePlanes(header: InstanceHeader, size: Size): Plane[] | Fault {
  const { tiles } = header
  if (tiles === undefined) return fault('how many slices are tiles of the image is not said', 'ImageType')
  const across = Math.ceil(Math.sqrt(tiles.count))
  // a grid has as many rows of tiles as it needs, a mosaic is square
  const down = tiles.positions === undefined ? across : Math.ceil(tiles.count / across)
  const tile = { rows: size.rows / down, columns: size.columns / across }
  if (!Number.isInteger(tile.rows) || !Number.isInteger(tile.columns))
    return fault('the image is no whole number of tiles', 'Rows')
  const positions = tiles.positions ?? mosaicPositions(header, tiles, size, tile)
  if ('code' in positions) return positions
  const values = objectValues(header)
  if ('code' in values) return values
  const planes: Plane[] = []
  for (const [index, position] of positions.entries()) {
    const corner = { left: (index % across) * tile.columns, top: Math.floor(index / across) * tile.rows }
    const plane = planeOf(header, { frame: 0, tile: corner, ...tile }, { ...header, position }, values)
    if ('code' in plane) return plane
    planes.push(plane)
  }
  return planes
}

/**
 * Where the tiles of a mosaic lie. The position of the object is that of the corner of an image as large as the mosaic about
 * the centre of the first slice. The slices go along their normal, to the side that the CSA header says.
 */
function mosaicPositions(
  header: InstanceHeader,
  { count, normal: said, centres }: TileFacts,
  size: Size,
  tile: Size,
): readonly Vec3[] | Fault {
  const { orientation, pixelSpacing } = header
  // whether they are sound is the question of each plane
  const whole = planeOf(header, { frame: 0, ...size }, header, { slope: 1, intercept: 0 })
  if ('code' in whole || orientation === undefined || pixelSpacing === undefined) return whole as Fault
  const [row, column]: [Vec3, Vec3] = [
    [orientation[0], orientation[1], orientation[2]],
    [orientation[3], orientation[4], orientation[5]],
  ]
  const moved = (position: Vec3, columns: number, rows: number): Vec3 =>
    add(add(position, scale(row, columns * pixelSpacing[1])), scale(column, rows * pixelSpacing[0]))
  const first = moved(whole.position, (size.columns - tile.columns) / 2, (size.rows - tile.rows) / 2)
  if (count === 1) return [first]
  const normal = scale(cross(row, column), 1 / length(cross(row, column)))
  const along = said === undefined ? NaN : dot(said, normal)
  if (!(Math.abs(Math.abs(along) - 1) <= NORMAL))
    return fault('to which side the slices of the mosaic go is not said', 'CSAImageHeaderInfo')
  const mm = distance(header, centres)
  if (typeof mm !== 'number') return mm
  const step = scale(normal, Math.sign(along) * mm)
  if (centres && !agrees(moved(first, tile.columns / 2, tile.rows / 2), step, centres))
    return fault(
      'the slices of the mosaic are in another order than the protocol has them',
      'CSASeriesHeaderInfo',
    )
  return Array.from({ length: count }, (_, k) => add(first, scale(step, k)))
}

/** mm from slice to slice, by the element for it and by the protocol, which must not contradict each other. */
function distance({ spacingBetweenSlices }: InstanceHeader, centres?: readonly Vec3[]): number | Fault {
  const planned = centres && length(subtract(centres.at(-1)!, centres[0]!)) / (centres.length - 1)
  const mm = spacingBetweenSlices ?? planned
  if (mm === undefined || !isSpacing(mm))
    return fault('the distance between the slices of the mosaic is not said', 'SpacingBetweenSlices')
  if (planned !== undefined && Math.abs(planned - mm) > DISTANCE_PART * mm + DISTANCE_MM)
    return fault('the protocol has another distance between the slices of the mosaic', 'SpacingBetweenSlices')
  return mm
}

/**
 * False where the first tile lies at one end of the slices that the protocol has, and the others would lie beyond it. Where it
 * lies at neither end (the table was moved), the protocol says nothing of the order.
 */
function agrees(centre: Vec3, step: Vec3, centres: readonly Vec3[]): boolean {
  const near = length(step) / 2
  const [one, other] = [centres[0]!, centres.at(-1)!]
  const ahead = dot(subtract(other, one), step) > 0
  if (length(subtract(centre, one)) < near) return ahead
  if (length(subtract(centre, other)) < near) return !ahead
  return true
}

function add(a: Vec3, b: Vec3): Vec3 {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

function fault(reason: string, tag: string): Fault {
  return { code: 'MDM_GEOMETRY', reason, tags: [tag] }
}
