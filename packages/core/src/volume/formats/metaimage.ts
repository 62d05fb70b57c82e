import { MdmError } from '../../errors.ts'
import { nearestAxes } from '../orientation.ts'
import { shear, spacing, UNEVEN_TEXT, type SeriesAxis } from '../volume.ts'
import type { Vec3, Volume, VoxelType } from '../volume.ts'
import { encodeReal, realType } from './real-values.ts'

const ELEMENT_TYPES: Readonly<Record<VoxelType, string>> = {
  int8: 'MET_CHAR',
  uint8: 'MET_UCHAR',
  int16: 'MET_SHORT',
  uint16: 'MET_USHORT',
  int32: 'MET_INT',
  uint32: 'MET_UINT',
  float32: 'MET_FLOAT',
  float64: 'MET_DOUBLE',
  rgb24: 'MET_UCHAR',
}

/**
 * Sine of the lean (0.81 degrees) from which a stack is a tilted one. TransformMatrix is said to be a rotation; a
 * lean below this comes from rounded headers and stays in it.
 */
const MAX_LEAN = 0.01414

/**
 * The MetaImage header of a volume, the voxels following in the same file (.mha). World coordinates are LPS, as in the NRRD.
 * MetaImage has no field for rescale: where slope and intercept say anything, the voxels are real values (realValues).
 *
 * @returns ASCII; the voxels begin after its last line
 * @throws MDM_USAGE for a sheared volume and for a set of volumes: nrrd and nifti hold those
 * @see docs/formats/volume.md; https://itk.org/Wiki/ITK/MetaIO/Documentation
 */
export function metaimageHeader(volume: Volume, axis?: SeriesAxis): Buffer {
  if (axis !== undefined) throw cannotHold(`name an axis of ${axis.name}`)
  if (shear(volume) > MAX_LEAN) throw cannotHold('say that a stack is sheared (gantry tilt)')
  const steps = spacing(volume)
  const axes = volume.spaceDirections.map((step, axis) => step.map((x) => x / steps[axis]! + 0) as Vec3)
  const lines = [
    'ObjectType = Image',
    ...(volume.slicePositions === undefined ? [] : [`Comment = ${UNEVEN_TEXT}`]),
    'NDims = 3',
    'BinaryData = True',
    'BinaryDataByteOrderMSB = False',
    'CompressedData = False',
    `TransformMatrix = ${axes.flat().join(' ')}`,
    `Offset = ${volume.origin.join(' ')}`,
    'CenterOfRotation = 0 0 0',
    `AnatomicalOrientation = ${volume.unplaced === undefined ? orientation(axes) : '???'}`,
    `ElementSpacing = ${steps.join(' ')}`,
    `DimSize = ${volume.columns} ${volume.rows} ${volume.slices}`,
    ...(volume.type === 'rgb24' ? ['ElementNumberOfChannels = 3'] : []),
    `ElementType = ${elementType(volume)}`,
    'ElementDataFile = LOCAL',
  ]
  return Buffer.from(`${lines.join('\n')}\n`, 'latin1')
}

function cannotHold(what: string): MdmError {
  return new MdmError('MDM_USAGE', `MetaImage cannot ${what}; ask for nrrd, nifti or nifti-gz`)
}

/** @returns undefined where the stored voxels are the values already; else what encodeReal gives */
export function realValues(volume: Volume): ((voxels: Buffer) => Buffer) | undefined {
  return isIdentity(volume) ? undefined : encodeReal(volume)
}

function elementType(volume: Volume): string {
  if (isIdentity(volume)) return ELEMENT_TYPES[volume.type]
  return ELEMENT_TYPES[realType(volume.type)]
}

/** Colours have no rescale. */
function isIdentity({ type, slope, intercept }: Volume): boolean {
  return type === 'rgb24' || (slope === 1 && intercept === 0)
}

/** Each letter says where an axis comes from: R L, A P, I S. An axis that leans has the letter of where it mostly goes. */
const LETTERS = ['RL', 'AP', 'IS'] as const

function orientation(axes: readonly Vec3[]): string {
  return nearestAxes(axes)
    .map(({ world, sign }) => LETTERS[world][sign < 0 ? 1 : 0])
    .join('')
}
