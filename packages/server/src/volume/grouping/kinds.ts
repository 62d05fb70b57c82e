import type { InstanceHeader } from '../../dicom/source.ts'
import type { Fault } from '../judge.ts'
import type { Plane } from '../plane.ts'
import { evenGap, placesOf, type Places } from './places.ts'

/** Direction cosines of one kind may differ by this. */
const ORIENTATION = 1e-4
/** Pixel spacings of one kind may differ by this part. */
const SPACING = 1e-4
/** A series of more kinds is no examination; each plane is held against each of them. */
const MOST_KINDS = 64

/** Planes that could make one volume as far as their pixels and their grid go. */
export interface Kind {
  readonly first: Plane
  readonly places: Places
}

/** What tells kinds apart: its name, how a plane is held against the first of a kind, and the refusal where kinds cannot be. */
const FACTS: readonly { name: string; same(a: Plane, b: Plane): boolean; fault: Fault }[] = [
  {
    name: 'class',
    same: (a, b) => a.header.sopClass === b.header.sopClass,
    fault: { code: 'MDM_GEOMETRY', reason: 'the images differ in SOP class', tags: ['SOPClassUID'] },
  },
  {
    name: 'modality',
    same: (a, b) => a.header.modality === b.header.modality,
    fault: { code: 'MDM_GEOMETRY', reason: 'the images differ in modality', tags: ['Modality'] },
  },
  {
    name: 'pixels',
    same: (a, b) => pixelKind(a.header) === pixelKind(b.header),
    fault: {
      code: 'MDM_PIXELS',
      reason: 'the images differ in the kind of their pixels',
      tags: ['PhotometricInterpretation'],
    },
  },
  {
    name: 'size',
    same: (a, b) => a.rows === b.rows && a.columns === b.columns,
    fault: { code: 'MDM_GEOMETRY', reason: 'the images differ in size', tags: ['Rows', 'Columns'] },
  },
  {
    name: 'orientation',
    same: (a, b) => a.orientation.every((x, i) => Math.abs(x - b.orientation[i]!) <= ORIENTATION),
    fault: {
      code: 'MDM_GEOMETRY',
      reason: 'the images differ in orientation',
      tags: ['ImageOrientationPatient'],
    },
  },
  {
    name: 'spacing',
    same: (a, b) =>
      a.pixelSpacing.every((mm, i) => Math.abs(mm - b.pixelSpacing[i]!) <= SPACING * b.pixelSpacing[0]),
    fault: { code: 'MDM_GEOMETRY', reason: 'the images differ in pixel spacing', tags: ['PixelSpacing'] },
  },
  {
    name: 'frameOfReference',
    same: (a, b) => a.header.text.FrameOfReferenceUID === b.header.text.FrameOfReferenceUID,
    fault: {
      code: 'MDM_GEOMETRY',
      reason: 'the images have different frames of reference',
      tags: ['FrameOfReferenceUID'],
    },
  },
]

/** Grey, grey with the lowest value shown white, or colour; floating point numbers are not joined with whole ones. */
export function pixelKind({
  photometric,
  floatPixels,
}: InstanceHeader): 'grey' | 'inverse' | 'float' | 'colour' {
  if (photometric === 'MONOCHROME1') return 'inverse'
  if (photometric !== 'MONOCHROME2') return 'colour'
  return floatPixels ? 'float' : 'grey'
}

/**
 * Splits planes of one SOP class by what no volume has two of. Kinds beside each other are believed only when each is regular by
 * itself: else an odd slice, or a damaged one, would leave the stack it belongs to without a word.
 *
 * @param o `allowGaps`: gaps need no reason
 */
export function kindsOf(planes: readonly Plane[], o: { allowGaps: boolean }): Kind[] | Fault {
  const groups: Plane[][] = []
  for (const plane of planes) {
    const group = groups.find(([first]) => FACTS.every(({ same }) => same(plane, first!)))
    if (group !== undefined) group.push(plane)
    else if (groups.push([plane]) > MOST_KINDS) return differing(groups)
  }
  const kinds = groups.map((group) => ({ first: group[0]!, places: placesOf(group) }))
  if (kinds.length === 1 || kinds.every((kind) => isRegular(kind, kinds, o))) return kinds
  return differing(groups)
}

/** Of its own accord even; and a single picture is none that belongs into one of the others. */
function isRegular(
  { first, places: { heights } }: Kind,
  kinds: readonly Kind[],
  o: { allowGaps: boolean },
): boolean {
  if (heights.length > 1) return o.allowGaps || evenGap(heights) !== undefined
  return kinds.every(
    (other) => other.places.heights.length === 1 || other.first.marks.imageType !== first.marks.imageType,
  )
}

function differing(groups: readonly Plane[][]): Fault {
  const [first, ...others] = groups.map(([plane]) => plane!)
  return FACTS.find(({ same }) => others.some((other) => !same(other, first!)))!.fault
}

/** Which facts tell these planes apart, each the first of its kind. */
export function factsThatDiffer(firsts: readonly Plane[]): string[] {
  const [first, ...others] = firsts
  return FACTS.filter(({ same }) => others.some((other) => !same(other, first!))).map(({ name }) => name)
}
