import type { ErrorCode } from '@mdm/core/errors'
import type { Vec3 } from '@mdm/core/volume/volume'
import type { TextKeyword } from './attributes.ts'

/** Names a series at its source. Both are identifying: never in a log, a path or a message. */
export interface SeriesRef {
  study: string
  series: string
}

/** Direction cosines of the row and the column, LPS (0020,0037). */
export type Orientation = [number, number, number, number, number, number]

/**
 * What we read of one DICOM object: a closed list, text already decoded. A value that is absent or malformed is
 * undefined; nothing is guessed here.
 */
export interface InstanceHeader extends SeriesRef {
  sop: string
  sopClass: string
  transferSyntax: string
  /** set when the object is damaged, but says which series it belongs to */
  fault?: ErrorCode
  modality: string
  imageType: string[]
  rows: number | undefined
  columns: number | undefined
  frames: number
  samplesPerPixel: number | undefined
  photometric: string | undefined
  bitsAllocated: number | undefined
  bitsStored: number | undefined
  highBit: number | undefined
  pixelRepresentation: number | undefined
  /** position of the centre of the first pixel, mm (0020,0032) */
  position: Vec3 | undefined
  orientation: Orientation | undefined
  /** distance between rows, between columns, mm (0028,0030) */
  pixelSpacing: [number, number] | undefined
  sliceThickness: number | undefined
  spacingBetweenSlices: number | undefined
  /** 1 and 0 where absent; undefined where malformed */
  slope: number | undefined
  intercept: number | undefined
  /** true for enhanced objects (functional groups) */
  functionalGroups: boolean
  /** true for a Siemens mosaic or UIH grid: many slices as tiles of one image */
  tiled: boolean
  modalityLut: boolean
  /** where the pixel data lies in the object; length undefined when encapsulated */
  pixelData: { offset: number; length: number | undefined } | undefined
  /** float or double pixel data in place of integers */
  floatPixels: boolean
  text: Readonly<Partial<Record<TextKeyword, string>>>
}

/** One object with its pixels as stored: little endian, uncompressed, rows * columns * bits allocated / 8 bytes. */
export interface RetrievedInstance {
  header: InstanceHeader
  pixels: Buffer
}

/** An object at the source that cannot even be told to belong to a series. */
export interface SourceFault {
  code: ErrorCode
  objects: number
}

/** Where images are: a DICOM server or a folder. New kinds pass test/conformance/dicom-source.ts. */
export interface DicomSource {
  readonly name: string
  /**
   * Every series now there.
   * @throws MDM_SOURCE_UNREACHABLE
   */
  series(signal?: AbortSignal): Promise<SeriesRef[]>
  /**
   * The header of every object of a series.
   * @throws MDM_NOT_FOUND for an unknown series | MDM_SOURCE_UNREACHABLE
   */
  headers(ref: SeriesRef, signal?: AbortSignal): AsyncIterable<InstanceHeader>
  /**
   * The objects asked for, in any order, each at most once. One that is gone, damaged or compressed does not come.
   * @throws MDM_NOT_FOUND for an unknown series | MDM_SOURCE_UNREACHABLE
   */
  retrieve(ref: SeriesRef, sops: readonly string[], signal?: AbortSignal): AsyncIterable<RetrievedInstance>
  /** Objects seen by the last series() that belong to no series because they are damaged. */
  faults(): SourceFault[]
}
