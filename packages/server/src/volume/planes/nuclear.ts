import type { Vec3 } from '@mdm/core/volume/volume'
import type { InstanceHeader, NuclearFacts } from '../../dicom/source.ts'
import type { Fault } from '../judge.ts'
import type { Plane } from '../plane.ts'
import { cross, length, scale } from '../vector.ts'
import { planeOf } from './plane-facts.ts'
import { objectValues } from './value-map.ts'

/** mm; also against the normal, as SpacingBetweenSlices may be negative here and nowhere else. */
const [LEAST_MM, MOST_MM] = [1e-6, 1e4]

/**
 * A plane for each frame of a reconstructed NM object: slices along the normal of the first, one SpacingBetweenSlices after the
 * other, to the side that its sign says.
 *
 * @see DICOM PS3.3 C.8.4.14, C.8.4.15
 */
export function nuclearPlanes(
  header: InstanceHeader,
  { position, orientation, slices, timeSlots }: NuclearFacts,
  size: Pick<Plane, 'rows' | 'columns'>,
): Plane[] | Fault {
  const { frames, spacingBetweenSlices: mm = 0 } = header
  const fault = (reason: string, tag: string): Fault => ({ code: 'MDM_GEOMETRY', reason, tags: [tag] })
  if (slices.length !== frames || slices.some((slice) => slice < 1))
    return fault('not every frame says which slice it is', 'SliceVector')
  if (timeSlots.length > 0 && timeSlots.length !== frames)
    return fault('not every frame says in which time slot it is', 'TimeSlotVector')
  if (!(Math.abs(mm) >= LEAST_MM && Math.abs(mm) <= MOST_MM))
    return fault('the distance between slices is not said', 'SpacingBetweenSlices')
  const values = objectValues(header)
  if ('code' in values) return values
  const planes: Plane[] = []
  for (let frame = 0; frame < frames; frame++) {
    const time = timeSlots[frame]
    const facts = {
      ...header,
      position: position && orientation && along(position, orientation, (slices[frame]! - 1) * mm),
      orientation,
      spacingBetweenSlices: Math.abs(mm),
      marks: { ...header.marks, ...(time !== undefined && { time }) },
    }
    const plane = planeOf(header, { frame, ...size }, facts, values)
    if ('code' in plane) return plane
    planes.push(plane)
  }
  return planes
}

function along(
  position: Vec3,
  [a, b, c, d, e, f]: NonNullable<NuclearFacts['orientation']>,
  mm: number,
): Vec3 {
  const normal = cross([a, b, c], [d, e, f])
  const [x, y, z] = scale(normal, mm / length(normal))
  return [position[0] + x, position[1] + y, position[2] + z]
}
