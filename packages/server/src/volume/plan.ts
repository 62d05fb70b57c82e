import type { ErrorCode } from '@mdm/core/errors'
import type { Sha256 } from '@mdm/core/names'
import type { AxisName, AxisUnit, Vec3, Volume } from '@mdm/core/volume/volume'
import type { Orientation } from '../dicom/source.ts'
import type { Marks } from './plane.ts'

/** What was registered of one slice; delivery compares each slice with it. */
export interface SliceRow {
  /** place in the volume, from 0 */
  index: number
  sop: string
  rows: number
  columns: number
  position: Vec3
  orientation: Orientation
  bitsAllocated: number
  bitsStored: number
  highBit: number
  pixelRepresentation: number
  slope: number
  intercept: number
  /** the rule that held its object until a person released it; absent for all others */
  released?: string
  /** frame of its object, from 0; absent where it is the first */
  frame?: number
  /** where it lies in its frame, in pixels; absent where it is the whole frame */
  tile?: { left: number; top: number }
  /** SHA-256 of the table that makes values of its numbers, where there is one */
  table?: Sha256
}

export type Row = Record<string, string | number | null>

/** One row for each table of paper 5.3; the columns are those of metadata/columns.ts. */
export interface TableRows {
  patient: Row
  image: Row
  medical: Row
  dicom: Row
  protocol: Row
}

/** A volume that can be made of a series, with all that registration stores of it. */
export interface VolumePlan {
  /** tells it from the other volumes of its series, the same at each look: such as `echo=2 quantity=P`; '' for the only one */
  label: string
  /** what tells it apart, by name; {} for the only one */
  marks: Marks
  volume: Volume
  /** NRRD header; the plaintext is these bytes, then the slices */
  header: Buffer
  plaintextBytes: number
  sliceBytes: number
  /** in the order of the volume */
  slices: SliceRow[]
  /** code of the de-identification profile, goes into the container */
  profile: string
  tables: TableRows
}

/** Objects of a series that make no volume, and why. No DICOM values but positions and counts. */
export interface Refusal {
  code: ErrorCode
  reason: string
  instances: number
  /** attributes that made the decision, as names of DICOM PS3.6 */
  tags?: string[]
}

/** Volumes of one grid and type that belong together along one more axis. */
export interface SetPlan {
  /** as VolumePlan's, among the sets of the series */
  label: string
  /** what the fourth axis counts */
  axis: AxisName
  /** of `values`; absent where they only count */
  unit?: AxisUnit
  /** one for each member, in order */
  values: number[]
  /** indices in `volumes`, in order along the axis */
  members: number[]
}

export interface SeriesPlan {
  volumes: VolumePlan[]
  /** sets of two or more of the volumes; a volume is in one at most */
  sets: SetPlan[]
  refused: Refusal[]
  /** SOPInstanceUIDs of objects that may be copies of each other: pixels decide, of which a digest may be passed in */
  questioned?: string[]
}
