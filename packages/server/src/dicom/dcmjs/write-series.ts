import { VOXEL_BYTES, type Vec3, type VoxelType } from '@mdm/core/volume/volume'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Orientation } from '../source.ts'
import { uidOf } from './uid.ts'
import { writeObject, type Attributes } from './write-object.ts'

export interface SeriesOptions {
  modality: 'CT' | 'MR'
  columns: number
  rows: number
  slices: number
  /** mm between columns, rows, slices */
  spacing: Vec3
  orientation?: Orientation
  /** centre of the first voxel */
  origin?: Vec3
  type?: Exclude<VoxelType, 'int32' | 'uint32'>
  bitsStored?: number
  slope?: number
  intercept?: number
  /** value to store at column i, row j, slice k */
  voxel(i: number, j: number, k: number): number
  patient?: { name: string; id: string; birthDate?: string; sex?: string }
  /** where absent, UIDs are made of `seed` */
  study?: string
  series?: string
  sop?(k: number): string
  seed?: string
  /** file of slice k; folders deliver in order of file names */
  fileName?(k: number): string
  /** set, replaces (or leaves out, when undefined) attributes of slice k */
  attributes?(k: number): Attributes
  transferSyntax?: string
}

export interface WrittenSeries {
  study: string
  series: string
  /** in order of the volume, as are the files */
  sops: string[]
  files: string[]
}

/** Direction cosines of an axial slice. */
export const AXIAL: Orientation = [1, 0, 0, 0, 1, 0]

/** Writes a single-frame CT or MR series, one file a slice, valid by the IODs of PS3.3 A.3 and A.4. */
export async function writeSeries(dir: string, o: SeriesOptions): Promise<WrittenSeries> {
  await mkdir(dir, { recursive: true })
  const seed = o.seed ?? 'mdm'
  const written: WrittenSeries = {
    study: o.study ?? uidOf(`${seed} study`),
    series: o.series ?? uidOf(`${seed} ${o.modality} series`),
    sops: [],
    files: [],
  }
  for (let k = 0; k < o.slices; k++) {
    const sop = o.sop?.(k) ?? uidOf(`${seed} ${o.modality} slice ${k}`)
    const file = join(
      dir,
      o.fileName?.(k) ?? `${o.modality}${String(instanceNumber(k, o.slices)).padStart(4, '0')}.dcm`,
    )
    const attributes = {
      ...sliceAttributes(o, k),
      StudyInstanceUID: written.study,
      SeriesInstanceUID: written.series,
      SOPInstanceUID: sop,
    }
    await writeFile(file, writeObject({ ...attributes, ...o.attributes?.(k) }, o.transferSyntax))
    written.sops.push(sop)
    written.files.push(file)
  }
  return written
}

/** Even slices first, then odd ones: a reader that trusts InstanceNumber shows it at once. */
function instanceNumber(k: number, slices: number): number {
  return k % 2 === 0 ? k / 2 + 1 : Math.ceil(slices / 2) + (k + 1) / 2
}

/** What the object of slice k says, but its UIDs. */
export function sliceAttributes(o: SeriesOptions, k: number): Attributes {
  return {
    ...commonAttributes(o, k),
    ...planeAttributes(o, k),
    ...pixelAttributes(o, k),
    ...(o.modality === 'CT' ? CT : MR),
  }
}

function commonAttributes(o: SeriesOptions, k: number): Attributes {
  const patient = o.patient ?? { name: 'PHANTOM^MADE UP', id: 'MDM-PHANTOM' }
  return {
    ImageType: ['ORIGINAL', 'PRIMARY', o.modality === 'CT' ? 'AXIAL' : 'OTHER'],
    StudyDate: '20200102',
    SeriesDate: '20200102',
    AcquisitionDate: '20200102',
    ContentDate: '20200102',
    StudyTime: '100000',
    SeriesTime: '100100',
    AcquisitionTime: '100200',
    ContentTime: '100300',
    AccessionNumber: '',
    Modality: o.modality,
    Manufacturer: 'MDM phantom',
    ReferringPhysicianName: '',
    PatientName: patient.name,
    PatientID: patient.id,
    PatientBirthDate: patient.birthDate ?? '',
    PatientSex: patient.sex ?? 'O',
    PatientPosition: 'HFS',
    BodyPartExamined: 'HEAD',
    StudyID: '1',
    SeriesNumber: o.modality === 'CT' ? '2' : '3',
    AcquisitionNumber: '1',
    InstanceNumber: String(instanceNumber(k, o.slices)),
    FrameOfReferenceUID: uidOf(`${o.seed ?? 'mdm'} frame of reference`),
    PositionReferenceIndicator: '',
  }
}

function planeAttributes(o: SeriesOptions, k: number): Attributes {
  const [a, b, c, d, e, f] = o.orientation ?? AXIAL
  const normal: Vec3 = [b * f - c * e, c * d - a * f, a * e - b * d]
  const origin = o.origin ?? [0, 0, 0]
  return {
    SliceThickness: decimal(o.spacing[2]),
    ImagePositionPatient: origin.map((mm, axis) => decimal(mm + k * o.spacing[2] * normal[axis]!)),
    ImageOrientationPatient: [a, b, c, d, e, f].map(decimal),
    PixelSpacing: [decimal(o.spacing[1]), decimal(o.spacing[0])],
  }
}

function pixelAttributes(o: SeriesOptions, k: number): Attributes {
  const type = o.type ?? 'uint16'
  const bytes = VOXEL_BYTES[type]
  const stored = o.bitsStored ?? bytes * 8
  const count = o.columns * o.rows
  const pixels = Buffer.alloc(count * bytes + ((count * bytes) % 2))
  const mask = 2 ** stored - 1
  for (let at = 0; at < count; at++) {
    const value = o.voxel(at % o.columns, Math.floor(at / o.columns), k) & mask
    if (bytes === 1) pixels[at] = value
    else pixels.writeUInt16LE(value, at * 2)
  }
  return {
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: o.rows,
    Columns: o.columns,
    BitsAllocated: bytes * 8,
    BitsStored: stored,
    HighBit: stored - 1,
    PixelRepresentation: type.startsWith('u') ? 0 : 1,
    ...(o.modality === 'CT' && rescale(o, 'HU')),
    ...(o.modality === 'MR' && (o.slope !== undefined || o.intercept !== undefined) && rescale(o, 'US')),
    PixelData: pixels.buffer.slice(pixels.byteOffset, pixels.byteOffset + pixels.length),
  }
}

function rescale({ slope, intercept }: SeriesOptions, RescaleType: string): Attributes {
  return { RescaleSlope: decimal(slope ?? 1), RescaleIntercept: decimal(intercept ?? 0), RescaleType }
}

const CT: Attributes = { SOPClassUID: '1.2.840.10008.5.1.4.1.1.2', KVP: '120', ConvolutionKernel: 'PHANTOM' }
const MR: Attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.4',
  ScanningSequence: 'GR',
  SequenceVariant: 'NONE',
  ScanOptions: '',
  MRAcquisitionType: '3D',
  RepetitionTime: '12',
  EchoTime: '4.2',
  EchoTrainLength: '1',
  MagneticFieldStrength: '1.5',
  ProtocolName: 'PHANTOM HEAD',
}

/** A decimal string of at most 16 characters (DS). */
function decimal(value: number): string {
  const text = String(value + 0)
  return text.length <= 16 ? text : String(Number(value.toPrecision(10)))
}
