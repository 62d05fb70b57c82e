import type { ErrorCode } from '@mdm/core/errors'
import type { Vec3 } from '@mdm/core/volume/volume'
import type { TextKeyword } from './attributes.ts'
import type { FrameTable } from './frame-table.ts'
import type { FrameMarks } from './marks.ts'
import type { ModalityLut, RealWorldMapping } from './value-facts.ts'

/** Names a series at its source. Both are identifying: never in a log, a path or a message. */
export interface SeriesRef {
  study: string
  series: string
}

/** Direction cosines of the row and the column, LPS (0020,0037). */
export type Orientation = [number, number, number, number, number, number]

/** What an image of many slices as tiles says of them, in order of rows of tiles; positions in mm, LPS. */
export interface TileFacts {
  readonly count: number
  /** of the centre of the first pixel of each tile (UIH) */
  readonly positions?: readonly Vec3[]
  /** points to where the slices go, one after the other (Siemens) */
  readonly normal?: Vec3
  /** centres of the slices as the protocol has them, in its order (Siemens) */
  readonly centres?: readonly Vec3[]
}

/** What a reconstructed NM object of several frames says of them (DICOM PS3.3 C.8.4.15). */
export interface NuclearFacts {
  /** of the first slice, mm */
  readonly position: Vec3 | undefined
  readonly orientation: Orientation | undefined
  /** number of each frame's slice, from 1 */
  readonly slices: readonly number[]
  /** number of each frame's time slot (gated), from 1; none where it does not say */
  readonly timeSlots: readonly number[]
}

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
  /** of a sound object with functional groups */
  frameTable?: FrameTable
  /** true for a Siemens mosaic or UIH grid: many slices as tiles of one image */
  tiled: boolean
  /** of a tiled image that says it */
  tiles?: TileFacts
  /** of an object that says it */
  nuclear?: NuclearFacts
  /** true where the object as a whole has a slope or an intercept */
  isRescaled: boolean
  /** in place of slope and intercept (0028,3000) */
  modalityLut: ModalityLut | 'malformed' | undefined
  /** of an object that is not rescaled, in order of preference (0040,9096) */
  realWorld: readonly RealWorldMapping[]
  pixelData: PixelDataPlace | undefined
  /** float or double pixel data in place of integers */
  floatPixels: boolean
  /** of the object in its series (0020,0013); often no order in space */
  instanceNumber: number | undefined
  /** of the object as a whole, or of the frames that do not say otherwise */
  marks: FrameMarks
  text: Readonly<Partial<Record<TextKeyword, string>>>
}

/** Where the pixel data lies in its object, and how it is laid out there. */
export interface PixelDataPlace {
  /** where its value begins; in a deflated object, where it does once that is inflated */
  offset: number
  /** undefined when encapsulated */
  length: number | undefined
  /** OB, OW, OF or OD, where the object says so */
  vr?: string
  /** true when the samples of a pixel are not beside each other but in planes (0028,0006) */
  planar?: boolean
  /** extended offset table (7FE0,0001) and its lengths (7FE0,0002) */
  offsetTable?: { offsets: { start: number; end: number }; lengths: { start: number; end: number } }
  /** where the deflated data set begins */
  deflatedFrom?: number
}

/** An object of which frames are wanted; all of them unless told, counted from 0. */
export interface Wanted {
  sop: string
  frames?: readonly number[]
}

/** One frame of an object. */
export interface RetrievedFrame {
  /** of the object it is in */
  header: InstanceHeader
  /** from 0 */
  frame: number
  /**
   * rows * columns * samples * bits allocated / 8 bytes (a byte for each pixel of 1 bit): little endian, uncompressed, pixel
   * by pixel, its samples beside each other; in memory of its own, which the taker may free
   */
  pixels: Buffer
}

/** One object as its source stores it; every byte of its data set is as it was stored there. */
export interface StoredObject {
  sopClass: string
  sop: string
  transferSyntax: string
  /** the data set without file meta information; read once, and to the end or not at all before the next object */
  dataSet: AsyncIterable<Buffer>
}

/** An object at the source that cannot even be told to belong to a series. */
export interface SourceFault {
  code: ErrorCode
  objects: number
}

/** Which series of a source are meant; what is absent does not narrow. Values may identify: never in a log or a message. */
export interface SeriesFilter {
  study?: string | undefined
  series?: string | undefined
  modality?: string | undefined
  /** YYYYMMDD, both ends included */
  studyDate?: { from?: string | undefined; to?: string | undefined } | undefined
  patientId?: string | undefined
}

/** A series as a look at the whole source finds it; what the source does not say by the way is absent. */
export interface FoundSeries extends SeriesRef {
  /** how many objects the source says it has */
  objects?: number
  /** opaque; changes whenever what the source holds of the series does, such as an object that was overwritten */
  mark?: string
}

/** What a trial of a source came to, step by step; holds no patient data (`mdm source test`). */
export interface SourceProbe {
  steps: {
    /** such as connect, echo, find, get, move */
    step: string
    ok: boolean
    ms: number
    /** what was found, in words: how many, which method, why not */
    note: string
    code?: ErrorCode
  }[]
  /** how objects will be retrieved: the first is used, the next ones when it fails */
  methods: string[]
}

/** Who uses a source: delivery goes before everything else when there is one budget of associations (FLOW 2.9). */
export type Purpose = 'deliver' | 'register'

/** Where images are: a DICOM server or a folder. New kinds pass test/conformance/dicom-source.ts. */
export interface DicomSource {
  readonly name: string
  /**
   * Every series now there, or those that the filter means.
   * @throws MDM_SOURCE_UNREACHABLE
   */
  series(o?: { filter?: SeriesFilter; signal?: AbortSignal }): Promise<FoundSeries[]>
  /**
   * How many objects the source itself says a series has; 0 for a series it does not know.
   * @throws MDM_SOURCE_UNREACHABLE
   */
  count(ref: SeriesRef, signal?: AbortSignal): Promise<number>
  /**
   * The header of every object of a series.
   * @throws MDM_NOT_FOUND for an unknown series | MDM_SOURCE_UNREACHABLE | MDM_SOURCE_INCOMPLETE when fewer come than the source promised
   */
  headers(ref: SeriesRef, signal?: AbortSignal): AsyncIterable<InstanceHeader>
  /**
   * The frames asked for, objects in any order, the frames of each one in its own order, each at most once. What is gone,
   * damaged or compressed does not come.
   * @throws MDM_NOT_FOUND for an unknown series | MDM_SOURCE_UNREACHABLE
   */
  retrieve(ref: SeriesRef, wanted: readonly Wanted[], signal?: AbortSignal): AsyncIterable<RetrievedFrame>
  /**
   * The objects of a series, or those of them asked for, byte for byte.
   * @throws MDM_NOT_FOUND for an unknown series | MDM_SOURCE_UNREACHABLE
   */
  objects(
    ref: SeriesRef,
    o?: { sops?: readonly string[]; purpose?: Purpose; signal?: AbortSignal },
  ): AsyncIterable<StoredObject>
  /** Tries the source out; what fails is in the answer. */
  probe(signal?: AbortSignal): Promise<SourceProbe>
  /** Objects seen by the last series() that belong to no series because they are damaged. */
  faults(): SourceFault[]
  /** Ends what is open at the source. */
  close(): Promise<void>
}

/** All that delivery needs of a source. */
export type SliceSource = Pick<DicomSource, 'name' | 'retrieve'>
