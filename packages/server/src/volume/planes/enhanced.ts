import type { Vec3 } from '@mdm/core/volume/volume'
import { MAX_FRAMES, numbersOf, textOf, type FrameTable } from '../../dicom/frame-table.ts'
import { dateTimeOf, directionOf, present, quantityOf, type FrameMarks } from '../../dicom/marks.ts'
import type { InstanceHeader, Orientation } from '../../dicom/source.ts'
import type { Fault } from '../judge.ts'
import type { Plane } from '../plane.ts'
import { planeOf, type PlaneFacts } from './plane-facts.ts'
import { frameValues } from './value-map.ts'

/**
 * A plane for each frame of an enhanced object, by its functional groups. Where a frame lies is what its position says; the
 * indices that point to its place in a stack are not asked, for they have been found swapped.
 *
 * @see DICOM PS3.3 C.7.6.16
 */
export function enhancedPlanes(
  header: InstanceHeader,
  size: Pick<Plane, 'rows' | 'columns'>,
): Plane[] | Fault {
  const { frameTable: table, frames } = header
  const fault = (code: Fault['code'], reason: string): Fault => {
    return { code, reason, tags: ['PerFrameFunctionalGroupsSequence'] }
  }
  if (frames > MAX_FRAMES) return fault('MDM_MULTIFRAME', `the object has more than ${MAX_FRAMES} frames`)
  if (table === undefined || table.frames === 0)
    return fault('MDM_DICOM', 'the functional groups of the frames are malformed, or there are none')
  if (table.frames !== frames)
    return fault('MDM_DICOM', 'there are more or fewer functional groups than frames')
  const planes: Plane[] = []
  for (let frame = 0; frame < frames; frame++) {
    const values = frameValues(header, table, frame)
    if ('code' in values) return values
    const plane = planeOf(header, { frame, ...size }, factsOf(header, table, frame), values)
    if ('code' in plane) return plane
    planes.push(plane)
  }
  return planes
}

/** What the frame says; what only the object as a whole says holds for each, but a position is of one frame. */
function factsOf(header: InstanceHeader, table: FrameTable, frame: number): PlaneFacts {
  const one = (fact: 'sliceThickness' | 'spacingBetweenSlices'): number | undefined =>
    numbersOf(table, fact, frame)?.[0] ?? header[fact]
  const position = numbersOf(table, 'position', frame) as Vec3 | undefined
  return {
    position: position ?? (header.frames === 1 ? header.position : undefined),
    orientation: (numbersOf(table, 'orientation', frame) as Orientation | undefined) ?? header.orientation,
    pixelSpacing:
      (numbersOf(table, 'pixelSpacing', frame) as [number, number] | undefined) ?? header.pixelSpacing,
    sliceThickness: one('sliceThickness'),
    spacingBetweenSlices: one('spacingBetweenSlices'),
    marks: { ...header.marks, ...marksOf(header, table, frame) },
  }
}

const MARK_NUMBERS = [
  'echo',
  'echoTime',
  'repetitionTime',
  'inversionTime',
  'flipAngle',
  'bValue',
  'time',
  'acquisition',
  'triggerTime',
  'frameTime',
] as const satisfies readonly (keyof FrameMarks)[]

function marksOf({ modality }: InstanceHeader, table: FrameTable, frame: number): FrameMarks {
  const imageType = textOf(table, 'frameType', frame)
  const component = textOf(table, 'component', frame) ?? ''
  const numbers = MARK_NUMBERS.map((mark) => [mark, numbersOf(table, mark, frame)?.[0]])
  const isotropic = textOf(table, 'directionality', frame) === 'ISOTROPIC'
  return present<FrameMarks>({
    ...(Object.fromEntries(numbers) as Pick<FrameMarks, (typeof MARK_NUMBERS)[number]>),
    stack: textOf(table, 'stack', frame),
    imageType,
    quantity: modality === 'MR' ? quantityOf(component, imageType?.split('\\') ?? []) : undefined,
    coil: textOf(table, 'coil', frame),
    gradient: isotropic ? 'ISOTROPIC' : directionOf(numbersOf(table, 'gradient', frame)),
    dateTime: dateTimeOf(textOf(table, 'dateTime', frame) ?? ''),
  })
}
