import type { ErrorCode } from '@mdm/core/errors'
import type { Vec3, Volume } from '@mdm/core/volume/volume'
import type { Orientation } from '../dicom/source.ts'

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

export interface SeriesPlan {
  volumes: VolumePlan[]
  refused: Refusal[]
}
