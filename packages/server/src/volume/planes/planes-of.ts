import type { InstanceHeader } from '../../dicom/source.ts'
import type { Fault } from '../judge.ts'
import type { Plane } from '../plane.ts'
import { enhancedPlanes } from './enhanced.ts'
import { flatPlane, isFlat } from './flat.ts'
import { nuclearPlanes } from './nuclear.ts'
import { planeOf } from './plane-facts.ts'
import { tilePlanes } from './tiled.ts'
import { objectValues } from './value-map.ts'

/**
 * The image planes of one object, in order of its frames, with all that a volume needs of each. Nothing is guessed: an
 * object that does not say where one of its planes lies, how large its pixels are or what its numbers mean gives the name
 * of what is missing.
 *
 * @param header of an object that holds an image and is sound
 * @see docs/formats/volume.md; DICOM PS3.3 C.7.6.2
 */
export function planesOf(header: InstanceHeader): Plane[] | Fault {
  const { rows, columns } = header
  if (!rows || !columns)
    return { code: 'MDM_PIXELS', reason: 'the size of the image is not said', tags: ['Rows', 'Columns'] }
  if (header.functionalGroups) return enhancedPlanes(header, { rows, columns })
  if (header.nuclear !== undefined) return nuclearPlanes(header, header.nuclear, { rows, columns })
  if (header.frames !== 1)
    return {
      code: 'MDM_MULTIFRAME',
      reason: 'the object holds several frames, and does not say where each of them lies',
      tags: ['NumberOfFrames'],
    }
  if (header.tiled) return tilePlanes(header, { rows, columns })
  const values = objectValues(header)
  if ('code' in values) return values
  if (isFlat(header)) return [flatPlane(header, { frame: 0, rows, columns }, values)]
  const plane = planeOf(header, { frame: 0, rows, columns }, header, values)
  return 'code' in plane ? plane : [plane]
}
