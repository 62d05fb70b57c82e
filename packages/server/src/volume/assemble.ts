import { MdmError } from '@mdm/core/errors'
import { sliceBytes, type Volume } from '@mdm/core/volume/volume'
import { frameBytes, shapeOf } from '../dicom/pixels/index.ts'
import type { InstanceHeader, RetrievedFrame } from '../dicom/source.ts'
import { cutTile } from './assemble/cut.ts'
import { toRgb } from './assemble/colour.ts'
import { voxelsOf } from './assemble/voxels.ts'
import { burnedInRisk } from './burned-in.ts'
import { judge } from './judge.ts'
import { isStoredLossy } from './lossy.ts'
import type { SliceRow } from './plan.ts'
import type { Plane } from './plane.ts'
import { planesOf } from './planes/index.ts'
import { tableDigest } from './table-digest.ts'
import { isColour } from './values.ts'

/** What an object must still be when one of its slices is delivered. */
const OF_OBJECT = [
  'sop',
  'bitsAllocated',
  'bitsStored',
  'highBit',
  'pixelRepresentation',
] as const satisfies readonly (keyof SliceRow & keyof InstanceHeader)[]
/** What one plane of it must still be. */
const OF_PLANE = ['rows', 'columns', 'position', 'orientation'] as const satisfies readonly (keyof SliceRow &
  keyof Plane)[]
const OF_VALUES = ['slope', 'intercept'] as const

/**
 * The voxels of one slice as the plaintext has them: little endian, overlay bits masked off, sign extended, of the type of the
 * volume.
 *
 * @param frame as it came from the source
 * @param row   as it was registered, of that frame
 * @returns sliceBytes(volume) bytes; may share memory with `frame.pixels`
 * @throws MDM_SOURCE_CHANGED when the object is no longer what was registered
 */
export function sliceVoxels(
  { header, frame, pixels }: RetrievedFrame,
  row: SliceRow,
  volume: Volume,
): Buffer {
  const changed = (what: string) =>
    new MdmError('MDM_SOURCE_CHANGED', `slice ${row.index}: ${what} is not what was registered`)
  for (const key of OF_OBJECT) if (header[key] !== row[key]) throw changed(key)
  if (judge(header, { released: true }) || isAnother(header, volume)) throw changed('the kind of image')
  if (burnedInRisk(header)?.reason !== row.released) throw changed('what its pixels may show')
  const plane = frame === (row.frame ?? 0) ? planeOf(header, row) : undefined
  if (plane === undefined) throw changed('what its frames are')
  for (const key of OF_PLANE) if (!equal(plane[key], row[key])) throw changed(key)
  for (const key of OF_VALUES) if (plane.values[key] !== row[key]) throw changed(key)
  const { table } = plane.values
  if ((table && tableDigest(table)) !== row.table) throw changed('the table of values')
  const bytes = frameBytes(shapeOf(header))
  if (pixels.length < bytes) throw changed('the number of pixels')
  const stored = cutTile(pixels.subarray(0, bytes), plane)
  const voxels = isColour(header) ? toRgb(stored, header) : voxelsOf(stored, plane, volume)
  if (voxels.length !== sliceBytes(volume)) throw changed('the number of pixels')
  return voxels
}

/** What is shown otherwise than was registered, or has lost something since. */
function isAnother(header: InstanceHeader, volume: Volume): boolean {
  return (
    (header.photometric === 'MONOCHROME1') !== (volume.inverted === true) ||
    isColour(header) !== (volume.type === 'rgb24') ||
    (isStoredLossy(header) && volume.lossy !== true)
  )
}

/** Planes of an object that has many are worked out once. */
const planes = new WeakMap<InstanceHeader, Map<string, Plane>>()

function planeOf(header: InstanceHeader, { frame, tile }: SliceRow): Plane | undefined {
  let known = planes.get(header)
  if (known === undefined) {
    const found = planesOf(header)
    known = new Map('code' in found ? [] : found.map((plane) => [placeIn(plane.frame, plane.tile), plane]))
    planes.set(header, known)
  }
  return known.get(placeIn(frame ?? 0, tile))
}

function placeIn(frame: number, tile: SliceRow['tile']): string {
  return tile === undefined ? `${frame}` : `${frame} ${tile.left} ${tile.top}`
}

function equal(now: unknown, then: unknown): boolean {
  if (!Array.isArray(now) || !Array.isArray(then)) return now === then
  return now.length === then.length && now.every((value, i) => value === then[i])
}
