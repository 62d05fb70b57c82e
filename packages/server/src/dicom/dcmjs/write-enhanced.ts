import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { uidOf } from './uid.ts'
import { writeObject, type Attributes } from './write-object.ts'
import { sliceAttributes, type SeriesOptions, type WrittenSeries } from './write-series.ts'

export interface EnhancedOptions extends SeriesOptions {
  /** frame k is slice order(k) of the volume; where absent, frames are in order of the volume */
  order?(k: number): number
  /** functional groups, by name, that are added to those of frame k, or replace them, or leave them out when undefined */
  groups?(k: number): Attributes
  /** the same for the groups that all frames share */
  shared?: Attributes
  /** set, replaces (or leaves out, when undefined) attributes of the object */
  object?: Attributes
}

const SOP_CLASSES = { CT: '1.2.840.10008.5.1.4.1.1.2.1', MR: '1.2.840.10008.5.1.4.1.1.4.1' }

/** What a classic object says at its top and an enhanced one in its functional groups. */
const IN_GROUPS = [
  ...['ImagePositionPatient', 'ImageOrientationPatient', 'PixelSpacing', 'SliceThickness'],
  ...['RescaleSlope', 'RescaleIntercept', 'RescaleType', 'RepetitionTime', 'EchoTime', 'PixelData'],
]

/** Writes the volume that writeSeries() would write as one enhanced multi-frame object (PS3.3 A.36, A.38). */
export async function writeEnhanced(dir: string, o: EnhancedOptions): Promise<WrittenSeries> {
  await mkdir(dir, { recursive: true })
  const seed = o.seed ?? 'mdm'
  const [study, series] = [
    o.study ?? uidOf(`${seed} study`),
    o.series ?? uidOf(`${seed} enhanced ${o.modality}`),
  ]
  const sop = o.sop?.(0) ?? uidOf(`${seed} enhanced ${o.modality} object`)
  const file = join(dir, o.fileName?.(0) ?? 'enhanced.dcm')
  const slices = Array.from({ length: o.slices }, (_, k) => sliceAttributes(o, o.order?.(k) ?? k))
  const top = Object.fromEntries(Object.entries(slices[0]!).filter(([name]) => !IN_GROUPS.includes(name)))
  const attributes: Attributes = {
    ...top,
    SOPClassUID: SOP_CLASSES[o.modality],
    SOPInstanceUID: sop,
    StudyInstanceUID: study,
    SeriesInstanceUID: series,
    InstanceNumber: '1',
    NumberOfFrames: String(o.slices),
    SharedFunctionalGroupsSequence: [withoutAbsent({ ...sharedGroups(o, slices[0]!), ...o.shared })],
    PerFrameFunctionalGroupsSequence: slices.map((slice, k) =>
      withoutAbsent({ ...frameGroups(o, slice, o.order?.(k) ?? k), ...o.groups?.(k) }),
    ),
    PixelData: joined(slices.map(({ PixelData }) => PixelData as ArrayBuffer)),
    ...o.object,
  }
  await writeFile(file, writeObject(attributes, o.transferSyntax))
  return { study, series, sops: [sop], files: [file] }
}

function sharedGroups({ modality }: EnhancedOptions, slice: Attributes): Attributes {
  const { ImageOrientationPatient, PixelSpacing, SliceThickness, RepetitionTime } = slice
  return {
    PlaneOrientationSequence: [{ ImageOrientationPatient }],
    PixelMeasuresSequence: [{ PixelSpacing, SliceThickness }],
    ...(modality === 'MR' && { MRTimingAndRelatedParametersSequence: [{ RepetitionTime }] }),
  }
}

function frameGroups({ modality }: EnhancedOptions, slice: Attributes, k: number): Attributes {
  const { ImagePositionPatient, RescaleSlope, RescaleIntercept, RescaleType, EchoTime } = slice
  const frameType = [{ FrameType: slice.ImageType, ...(modality === 'MR' && MAGNITUDE) }]
  return {
    FrameContentSequence: [{ StackID: '1', InStackPositionNumber: k + 1, TemporalPositionIndex: 1 }],
    PlanePositionSequence: [{ ImagePositionPatient }],
    PixelValueTransformationSequence: [
      {
        RescaleSlope: RescaleSlope ?? '1',
        RescaleIntercept: RescaleIntercept ?? '0',
        RescaleType: RescaleType ?? 'US',
      },
    ],
    ...(modality === 'CT'
      ? { CTImageFrameTypeSequence: frameType }
      : {
          MRImageFrameTypeSequence: frameType,
          MREchoSequence: [{ EffectiveEchoTime: Number(EchoTime) }],
        }),
  }
}

const MAGNITUDE = { ComplexImageComponent: 'MAGNITUDE' }

function withoutAbsent(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
}

/** The pixels of all frames; those of one are padded to an even number of bytes only at the very end. */
function joined(frames: readonly ArrayBuffer[]): ArrayBuffer {
  const pixels = Buffer.concat(frames.map((frame) => Buffer.from(frame)))
  return pixels.buffer.slice(pixels.byteOffset, pixels.byteOffset + pixels.length)
}
