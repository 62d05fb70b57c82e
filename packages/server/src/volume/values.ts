import type { VoxelType } from '@mdm/core/volume/volume'
import type { InstanceHeader } from '../dicom/source.ts'
import type { Fault } from './judge.ts'
import type { Plane } from './plane.ts'

/** How the voxels of a volume are written: the type, and what makes values of them. */
export interface Values {
  readonly type: VoxelType
  readonly slope: number
  readonly intercept: number
}

/** Whole numbers from `least` to `most`, both included. */
interface Range {
  readonly least: number
  readonly most: number
}

/** Whole number types, the smallest first; of two of one size the unsigned one. */
const WHOLE: readonly (readonly [VoxelType, Range])[] = [
  ['uint8', { least: 0, most: 0xff }],
  ['int8', { least: -0x80, most: 0x7f }],
  ['uint16', { least: 0, most: 0xffff }],
  ['int16', { least: -0x8000, most: 0x7fff }],
  ['uint32', { least: 0, most: 0xffff_ffff }],
  ['int32', { least: -0x8000_0000, most: 0x7fff_ffff }],
]
/** float32 holds whole numbers of so many bits. */
const FLOAT32_BITS = 24

/**
 * The type that holds the voxels of all planes as exactly as there is: the stored numbers where one slope makes values of all of
 * them, else the values themselves.
 *
 * @param planes of one kind
 * @see docs/formats/volume.md
 */
export function valuesOf(planes: readonly Plane[]): Values | Fault {
  const { header, values } = planes[0]!
  if (planes.some((plane) => plane.values.units !== values.units))
    return {
      code: 'MDM_RESCALE',
      reason: 'the images differ in the unit of their values',
      tags: ['RescaleType'],
    }
  if (isColour(header)) return { type: 'rgb24', slope: 1, intercept: 0 }
  if (planes.some((plane) => plane.values.table !== undefined)) return tableValues(planes)
  const { slope, intercept } = values
  if (planes.some((plane) => plane.values.slope !== slope || plane.values.intercept !== intercept))
    return real(planes)
  const type = storedType(planes.map((plane) => plane.header))
  return { type, slope, intercept }
}

export function isColour({ photometric }: InstanceHeader): boolean {
  return photometric !== 'MONOCHROME1' && photometric !== 'MONOCHROME2'
}

/** The values, each rounded once from double precision: to float32, unless the stored numbers have more bits than it. */
function real(planes: readonly Plane[]): Values {
  const wide = planes.some(({ header }) => bitsOf(header) > FLOAT32_BITS && !isFloat32(header))
  return { type: wide ? 'float64' : 'float32', slope: 1, intercept: 0 }
}

function bitsOf({ bitsStored, bitsAllocated, floatPixels }: InstanceHeader): number {
  return (floatPixels ? bitsAllocated : bitsStored) ?? 0
}

function isFloat32({ floatPixels, bitsAllocated }: InstanceHeader): boolean {
  return floatPixels && bitsAllocated === 32
}

/** What a table gives is whole numbers as a rule. */
function tableValues(planes: readonly Plane[]): Values {
  const tables = new Set(planes.map(({ values }) => values.table?.values))
  const range = { least: 0, most: 0 }
  for (const table of tables) {
    if (table === undefined || !table.every(Number.isInteger)) return real(planes)
    range.least = table.reduce((a, b) => Math.min(a, b), range.least)
    range.most = table.reduce((a, b) => Math.max(a, b), range.most)
  }
  const type = smallest(range)
  return type === undefined ? real(planes) : { type, slope: 1, intercept: 0 }
}

/** The type the objects have; of several the smallest that holds all their numbers. */
function storedType(headers: readonly InstanceHeader[]): VoxelType {
  const own = new Set(headers.map(typeOf))
  if (own.size === 1) return own.values().next().value!
  const ranges = headers.map(rangeOf)
  const least = ranges.reduce((a, range) => Math.min(a, range.least), 0)
  const most = ranges.reduce((a, range) => Math.max(a, range.most), 0)
  return smallest({ least, most }) ?? 'float64'
}

function typeOf({ bitsAllocated, pixelRepresentation, floatPixels }: InstanceHeader): VoxelType {
  if (floatPixels) return bitsAllocated === 64 ? 'float64' : 'float32'
  if (bitsAllocated === 1) return 'uint8'
  return `${pixelRepresentation === 1 ? '' : 'u'}int${bitsAllocated as 8 | 16 | 32}`
}

function rangeOf({ bitsStored = 0, pixelRepresentation, floatPixels }: InstanceHeader): Range {
  if (floatPixels) return { least: -Infinity, most: Infinity }
  if (pixelRepresentation === 1) return { least: -(2 ** (bitsStored - 1)), most: 2 ** (bitsStored - 1) - 1 }
  return { least: 0, most: 2 ** bitsStored - 1 }
}

function smallest({ least, most }: Range): VoxelType | undefined {
  return WHOLE.find(([, range]) => least >= range.least && most <= range.most)?.[0]
}
