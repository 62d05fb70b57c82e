import type { Guid } from '../../names.ts'
import type { FormatName } from '../formats/names.ts'
import type { SeriesAxis, Volume } from '../volume.ts'
import * as terms from './terms.ts'

/** Metadata rows as a site shows them to the caller: by table, column and value. */
export type Tables = Readonly<Record<string, Readonly<Record<string, string | number | null>>>>

export interface SidecarFacts {
  readonly guid: Guid
  readonly version: number
  /** as the file holds it */
  readonly volume: Volume
  readonly format: FormatName
  /** of the file, hex */
  readonly sha256: string
  /** where the file holds a set of volumes */
  readonly axis?: SeriesAxis | undefined
  /** what the caller may read; nothing where no site was asked */
  readonly tables?: Tables | undefined
}

type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json }

interface Field {
  /** in the words of BIDS where it has one */
  readonly name: string
  readonly table: string
  readonly column: string
  /** @returns undefined for what may not be written */
  readonly value: (cell: string | number) => Json | undefined
}

/** A number of the unit told, `per` of which are one of the unit of BIDS; undefined beyond what a scanner can mean. */
const quantity =
  (per: number, most: number) =>
  (cell: string | number): number | undefined =>
    typeof cell === 'number' && cell > 0 && cell <= most ? Number((cell / per).toPrecision(12)) : undefined
const term = (known: (text: string) => Json | undefined) => (cell: string | number) =>
  typeof cell === 'string' ? known(cell) : undefined

/** The one place that decides what of the metadata may stand in a sidecar: nothing that is not listed here. */
export const FIELDS: readonly Field[] = [
  { name: 'Manufacturer', table: 'medical', column: 'manufacturer', value: term(terms.maker) },
  { name: 'ManufacturersModelName', table: 'medical', column: 'model', value: term(terms.model) },
  { name: 'MagneticFieldStrength', table: 'medical', column: 'field_strength', value: quantity(1, 50) },
  { name: 'BodyPart', table: 'medical', column: 'body_part', value: term(terms.bodyPart) },
  {
    name: 'PatientPosition',
    table: 'medical',
    column: 'patient_position',
    value: term(terms.patientPosition),
  },
  {
    name: 'ScanningSequence',
    table: 'protocol',
    column: 'scanning_sequence',
    value: term(terms.scanningSequence),
  },
  {
    name: 'SequenceVariant',
    table: 'protocol',
    column: 'sequence_variant',
    value: term(terms.sequenceVariant),
  },
  {
    name: 'MRAcquisitionType',
    table: 'protocol',
    column: 'acquisition_type',
    value: term(terms.acquisitionType),
  },
  { name: 'RepetitionTime', table: 'protocol', column: 'repetition_time', value: quantity(1000, 1e6) },
  { name: 'EchoTime', table: 'protocol', column: 'echo_time', value: quantity(1000, 1e5) },
  { name: 'InversionTime', table: 'protocol', column: 'inversion_time', value: quantity(1000, 1e6) },
  { name: 'FlipAngle', table: 'protocol', column: 'flip_angle', value: quantity(1, 360) },
  { name: 'SliceThickness', table: 'protocol', column: 'slice_thickness', value: quantity(1, 1e4) },
  { name: 'KVP', table: 'protocol', column: 'kvp', value: quantity(1, 1e4) },
]

/** What is one value of a single volume, and differs from member to member along such an axis. */
const VARIES: Readonly<Partial<Record<SeriesAxis['name'], string>>> = { echo: 'EchoTime' }

/**
 * What is known of a file and may be told of it, in the words and units of BIDS (seconds, millimetres, tesla, degrees):
 * an object for JSON, built from a closed list, with nothing in it that names a person, a place or a day.
 *
 * @see docs/formats/volume.md; https://bids-specification.readthedocs.io
 */
export function sidecar(facts: SidecarFacts): Record<string, Json> {
  const { volume, axis, tables = {} } = facts
  const told: Record<string, Json> = { Modality: volume.modality }
  if (volume.units !== undefined) told['Units'] = terms.UNITS[volume.units] ?? volume.units
  for (const { name, table, column, value } of FIELDS) {
    const cell = tables[table]?.[column]
    const json = cell === null || cell === undefined ? undefined : value(cell)
    if (json !== undefined && (axis === undefined || VARIES[axis.name] !== name)) told[name] = json
  }
  if (volume.modality === 'PT' && axis?.name === 'time' && (axis.unit === 's' || axis.unit === 'ms'))
    told['FrameTimesStart'] = axis.values.map((at) => at / (axis.unit === 's' ? 1 : 1000))
  return { ...told, MDM: ownFacts(facts) }
}

/** What BIDS has no word for. */
function ownFacts({ guid, version, format, sha256, volume, axis }: SidecarFacts): Json {
  return {
    guid,
    version,
    format,
    sha256,
    inverted: volume.inverted === true,
    lossy: volume.lossy === true,
    ...(volume.unplaced === undefined ? {} : { unplaced: volume.unplaced }),
    ...(volume.slicePositions === undefined ? {} : { slicePositions: volume.slicePositions }),
    ...(axis === undefined
      ? {}
      : {
          axis: {
            name: axis.name,
            ...(axis.unit === undefined ? {} : { unit: axis.unit }),
            values: axis.values,
          },
        }),
  }
}
