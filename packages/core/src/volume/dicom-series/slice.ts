import { createHash } from 'node:crypto'
import { MdmError } from '../../errors.ts'
import type { Guid, Version } from '../../names.ts'
import { sliceBytes, VOXEL_BYTES, type Vec3, type Volume } from '../volume.ts'
import { dicomObject, type Attributes } from './object.ts'

const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7'
/** Classic image classes of which nothing has to be said that a volume does not know. */
const SOP_CLASSES: Readonly<Record<string, string>> = {
  CT: '1.2.840.10008.5.1.4.1.1.2',
  MR: '1.2.840.10008.5.1.4.1.1.4',
}
/** Rows and columns at right angles within this cosine: a DICOM image has no other ones. */
const RIGHT_ANGLE = 1e-4

/** Whose slices they are; all that their UIDs are made of. */
export interface Source {
  readonly guid: Guid
  readonly version: Version
}

/**
 * Makes sure that a volume can be a DICOM series: whole numbers of up to 16 bits or colours, and rows and columns at right angles.
 *
 * @throws MDM_USAGE
 */
export function requireDicom({ type, spaceDirections: [column, row], unplaced }: Volume): void {
  const refuse = (why: string) => new MdmError('MDM_USAGE', `DICOM images hold ${why}; ask for nrrd`)
  if (!/^u?int(8|16)$|^rgb24$/.test(type)) throw refuse('whole numbers of 16 bits or colours')
  if (unplaced !== undefined) throw refuse('a place in the patient, which this has not')
  if (Math.abs(dot(unit(column), unit(row))) > RIGHT_ANGLE)
    throw refuse('rows and columns at right angles, which this has not')
}

/**
 * One slice of a volume as a de-identified DICOM object: geometry, type, rescale values, unit and modality, as the NRRD header has
 * them, under UIDs made of GUID, version and slice. What the standard wants besides is empty, or says that nothing is known.
 *
 * @param k      slice, from 0
 * @param voxels of the slice, as the plaintext has them
 * @returns a file of PS3.10, explicit VR little endian
 * @see DICOM PS3.3 A.3, A.4, A.8; PS3.15 annex E
 */
export function dicomSlice(volume: Volume, source: Source, k: number, voxels: Buffer): Buffer {
  if (voxels.length !== sliceBytes(volume)) throw new RangeError('not the voxels of one slice')
  const isColour = volume.type === 'rgb24'
  const attributes: Attributes = {
    ...identity(volume, source, k),
    ...kind(volume),
    ...plane(volume, k),
    ...pixels(volume, voxels),
    ...(!isColour && rescale(volume)),
  }
  return dicomObject(attributes, { pixels: isColour ? 'OB' : 'OW' })
}

/** Nobody: the GUID stands for the patient, so that tools keep volumes apart. */
function identity(volume: Volume, { guid, version }: Source, k: number): Attributes {
  const uid = (what: string) => uidOf(`mdm ${guid} ${version} ${what}`)
  return {
    SOPClassUID: sopClass(volume),
    SOPInstanceUID: uid(`slice ${k}`),
    StudyInstanceUID: uid('study'),
    SeriesInstanceUID: uid('series'),
    FrameOfReferenceUID: uid('frame of reference'),
    InstanceNumber: String(k + 1),
    SeriesNumber: '1',
    PatientName: `MDM^${guid}`,
    PatientID: guid,
    PatientIdentityRemoved: 'YES',
    DeidentificationMethodCodeSequence: [
      {
        CodeValue: '113100',
        CodingSchemeDesignator: 'DCM',
        CodeMeaning: 'Basic Application Confidentiality Profile',
      },
    ],
    LongitudinalTemporalInformationModified: 'REMOVED',
    ...empty(
      ...['PatientBirthDate', 'PatientSex', 'StudyDate', 'StudyTime', 'StudyID', 'AccessionNumber'],
      ...[
        'ReferringPhysicianName',
        'Manufacturer',
        'PatientPosition',
        'PositionReferenceIndicator',
        'Laterality',
      ],
      ...['AcquisitionNumber', 'ContentDate', 'ContentTime'],
    ),
  }
}

/** What is said of how the image came about: as little as the class allows. */
function kind(volume: Volume): Attributes {
  const { modality } = volume
  const type = ['DERIVED', 'PRIMARY']
  const said = {
    Modality: modality,
    DerivationDescription: volume.lossy ? 'was compressed lossily' : undefined,
  }
  if (volume.type !== 'rgb24' && modality === 'CT')
    return { ...said, ImageType: [...type, 'AXIAL'], ...empty('KVP') }
  if (volume.type !== 'rgb24' && modality === 'MR')
    return {
      ...said,
      ImageType: [...type, 'OTHER'],
      // research mode: the sequence is not told
      ScanningSequence: 'RM',
      SequenceVariant: 'NONE',
      ...empty('ScanOptions', 'MRAcquisitionType', 'EchoTime', 'EchoTrainLength', 'RepetitionTime'),
    }
  return { ...said, ImageType: type, ConversionType: 'WSD', ...empty('PatientOrientation') }
}

function sopClass({ type, modality }: Volume): string {
  return (type === 'rgb24' ? undefined : SOP_CLASSES[modality]) ?? SECONDARY_CAPTURE
}

function plane(
  { spaceDirections: [column, row, step], origin, slicePositions }: Volume,
  k: number,
): Attributes {
  const steps = slicePositions === undefined ? k : slicePositions[k]! / length(step)
  const thickness = Math.abs(dot(step, cross(unit(column), unit(row))))
  return {
    ImagePositionPatient: origin.map((mm, axis) => decimal(mm + steps * step[axis]!)),
    ImageOrientationPatient: [...unit(column), ...unit(row)].map(decimal),
    PixelSpacing: [decimal(length(row)), decimal(length(column))],
    SliceThickness: decimal(thickness),
  }
}

/** Bytes become words, since CT and MR images have 16 bits allocated. */
function pixels({ type, columns, rows, inverted }: Volume, voxels: Buffer): Attributes {
  const isColour = type === 'rgb24'
  const bits = isColour ? 8 : 16
  const stored = isColour ? voxels : VOXEL_BYTES[type] === 2 ? voxels : asWords(voxels, type === 'int8')
  const padded = Buffer.alloc(stored.length + (stored.length % 2))
  stored.copy(padded)
  return {
    SamplesPerPixel: isColour ? 3 : 1,
    PhotometricInterpretation: isColour ? 'RGB' : inverted ? 'MONOCHROME1' : 'MONOCHROME2',
    ...(isColour && { PlanarConfiguration: 0 }),
    Rows: rows,
    Columns: columns,
    BitsAllocated: bits,
    BitsStored: bits,
    HighBit: bits - 1,
    PixelRepresentation: type.startsWith('int') ? 1 : 0,
    PixelData: padded.buffer.slice(padded.byteOffset, padded.byteOffset + padded.length),
  }
}

function asWords(voxels: Buffer, signed: boolean): Buffer {
  const words = Buffer.alloc(voxels.length * 2)
  for (let i = 0; i < voxels.length; i++) words.writeInt16LE(signed ? voxels.readInt8(i) : voxels[i]!, i * 2)
  return words
}

function rescale({ slope, intercept, units, modality }: Volume): Attributes {
  if (modality !== 'CT' && slope === 1 && intercept === 0) return {}
  return {
    RescaleSlope: decimal(slope),
    RescaleIntercept: decimal(intercept),
    RescaleType: units ?? 'US',
  }
}

/** 2.25 and 128 bits of a digest (PS3.5 B.2). */
function uidOf(text: string): string {
  return `2.25.${BigInt(`0x${createHash('sha256').update(text).digest('hex').slice(0, 32)}`)}`
}

/** The nearest number that 16 characters can say (DS, PS3.5 6.2). */
function decimal(value: number): string {
  const exact = String(value + 0)
  if (exact.length <= 16) return exact
  for (let digits = 16; digits > 0; digits--) {
    const text = String(Number(value.toPrecision(digits)))
    if (text.length <= 16) return text
  }
  return '0'
}

function empty(...names: string[]): Attributes {
  return Object.fromEntries(names.map((name) => [name, '']))
}

function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

function cross(a: Vec3, b: Vec3): Vec3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

function length(a: Vec3): number {
  return Math.hypot(...a)
}

function unit(a: Vec3): Vec3 {
  const by = length(a)
  return [a[0] / by, a[1] / by, a[2] / by]
}
