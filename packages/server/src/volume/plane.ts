import type { Vec3 } from '@mdm/core/volume/volume'
import type { InstanceHeader, Orientation } from '../dicom/source.ts'

/**
 * What may tell the volumes of a series apart (times, echoes, diffusion, quantities). Numbers are ordered, text is not; a
 * mark that a plane does not have is absent.
 */
export const MARKS = [
  /** of the acquisition: text that no two volumes of one kind share, such as a stack of an enhanced object */
  'stack',
  'imageType',
  /** what the numbers are: M, P, R, I (magnitude, phase, real, imaginary), or another code of the object */
  'quantity',
  'coil',
  'echo',
  /** ms */
  'echoTime',
  /** ms */
  'repetitionTime',
  /** ms */
  'inversionTime',
  /** degrees */
  'flipAngle',
  /** s/mm2 */
  'bValue',
  /** unit vector, x y z, or which of the directions */
  'gradient',
  /** index of a point in time, from 1 */
  'time',
  'phase',
  'acquisition',
  /** ms */
  'triggerTime',
  /** ms from the start of the frame of reference of time (PET) */
  'frameTime',
  /** YYYYMMDDHHMMSS.FFFFFF */
  'dateTime',
] as const
export type Mark = (typeof MARKS)[number]
export type Marks = Readonly<Partial<Record<Mark, string | number>>>

/** How stored numbers become values: `stored * slope + intercept`, or the table's entry where there is one. */
export interface ValueMap {
  readonly slope: number
  readonly intercept: number
  /** (0028,3000) or a real world table: the value of `first` and of each number after it; what lies outside has the nearest one's */
  readonly table?: { readonly first: number; readonly values: readonly number[] }
  /** code of the unit, as the object says it; absent where it does not */
  readonly units?: string
}

/** One image plane of a series: a classic object, a frame of an enhanced one, or a tile of a mosaic. */
export interface Plane {
  /** of the object it is in */
  readonly header: InstanceHeader
  /** frame of that object, from 0 */
  readonly frame: number
  /** where it lies in its frame, in pixels; absent where it is the whole frame */
  readonly tile?: { readonly left: number; readonly top: number }
  readonly rows: number
  readonly columns: number
  /** centre of its first pixel, mm */
  readonly position: Vec3
  readonly orientation: Orientation
  /** distance between rows, between columns, mm */
  readonly pixelSpacing: readonly [number, number]
  readonly sliceThickness: number | undefined
  readonly spacingBetweenSlices: number | undefined
  /** where it lies is not known: position and orientation are those of the image itself, pixelSpacing is mm or counts pixels */
  readonly unplaced?: 'mm' | 'pixels'
  readonly values: ValueMap
  readonly marks: Marks
}
