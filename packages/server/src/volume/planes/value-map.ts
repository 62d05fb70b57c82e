import { numbersOf, textOf, type FrameTable } from '../../dicom/frame-table.ts'
import type { InstanceHeader } from '../../dicom/source.ts'
import { signed16, type RealWorldMapping } from '../../dicom/value-facts.ts'
import type { Fault } from '../judge.ts'
import type { ValueMap } from '../plane.ts'

/** Of rescale slope and intercept; volume formats keep them as 32-bit floating point numbers. */
const MAX_VALUE = 1e30

/**
 * How the stored numbers of an object as a whole become values: by slope and intercept, or by its Modality LUT, or, where it has
 * neither, by the first of its Real World Value Mappings that covers them all; as they are where it says nothing.
 *
 * @see DICOM PS3.3 C.11.1, C.7.6.16.2.11
 */
export function objectValues(header: InstanceHeader): ValueMap | Fault {
  const { slope, intercept, modality, text, modalityLut, isRescaled, realWorld } = header
  if (modalityLut !== undefined) {
    if (modalityLut === 'malformed')
      return fault('the table of values is malformed, or has more than 4096 entries', 'ModalityLUTSequence')
    if (isRescaled) return fault('there are both a slope and a table of values', 'ModalityLUTSequence')
    const { first, values, type } = modalityLut
    return { slope: 1, intercept: 0, table: { first, values }, ...(type && { units: type }) }
  }
  if (realWorld.length > 0) return realValues(header, realWorld)
  return linear(slope, intercept, modality === 'PT' ? text.Units : text.RescaleType)
}

/**
 * How the stored numbers of one frame become values: by its Pixel Value Transformation, else by its Real World Value Mapping,
 * else by what the object says as a whole.
 *
 * @see DICOM PS3.3 C.7.6.16.2.9, C.7.6.16.2.11
 */
export function frameValues(header: InstanceHeader, table: FrameTable, frame: number): ValueMap | Fault {
  const number = (fact: Parameters<typeof numbersOf>[1]): number | undefined =>
    numbersOf(table, fact, frame)?.[0]
  if (table.numbers.slope !== undefined || table.numbers.intercept !== undefined)
    return linear(number('slope'), number('intercept'), textOf(table, 'rescaleType', frame))
  if (table.numbers.realSlope === undefined && table.numbers.realTable === undefined)
    return objectValues(header)
  const [first, last] = [number('realFirst'), number('realLast')]
  const mapping: RealWorldMapping = {
    slope: number('realSlope'),
    intercept: number('realIntercept'),
    first: first === undefined ? first : signed16(first, header.pixelRepresentation),
    last: last === undefined ? last : signed16(last, header.pixelRepresentation),
    // tables of single frames would be very many
    table: table.numbers.realTable === undefined ? undefined : 'malformed',
    units: textOf(table, 'realUnits', frame),
  }
  return realValues(header, [mapping])
}

function realValues(header: InstanceHeader, mappings: readonly RealWorldMapping[]): ValueMap | Fault {
  const mapping = mappings.find((one) => covers(one, header))
  if (mapping === undefined)
    return fault(
      'no mapping to values of the real world covers all stored numbers',
      'RealWorldValueMappingSequence',
    )
  const { table, first, last, slope, intercept, units } = mapping
  if (table === undefined) return linear(slope, intercept, units)
  if (table === 'malformed' || table.length !== last! - first! + 1)
    return fault(
      'a table of values of the real world is malformed, or of a single frame',
      'RealWorldValueLUTData',
    )
  return { slope: 1, intercept: 0, table: { first: first!, values: table }, ...(units && { units }) }
}

/** True where each number that can be stored is mapped. */
function covers(
  { first, last }: RealWorldMapping,
  { bitsStored, pixelRepresentation }: InstanceHeader,
): boolean {
  if (first === undefined || last === undefined || bitsStored === undefined) return false
  const least = pixelRepresentation === 1 ? -(2 ** (bitsStored - 1)) : 0
  return first <= least && last >= least + 2 ** bitsStored - 1
}

/** A slope and an intercept, or why they are none. */
export function linear(
  slope: number | undefined,
  intercept: number | undefined,
  units: string | undefined,
): ValueMap | Fault {
  if (
    slope === undefined ||
    intercept === undefined ||
    !isSlope(slope) ||
    !(Math.abs(intercept) <= MAX_VALUE)
  )
    return fault(
      'the rescale values are malformed or out of all bounds, or the slope is 0',
      'RescaleSlope',
      'RescaleIntercept',
    )
  return { slope, intercept, ...(units !== undefined && { units }) }
}

function fault(reason: string, ...tags: string[]): Fault {
  return { code: 'MDM_RESCALE', reason, tags }
}

function isSlope(slope: number): boolean {
  return Math.abs(slope) >= 1 / MAX_VALUE && Math.abs(slope) <= MAX_VALUE
}
