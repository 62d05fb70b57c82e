import { nrrdHeader } from '@mdm/core/volume/formats/nrrd'
import type { Volume } from '@mdm/core/volume/volume'
import type { InstanceHeader } from '../dicom/source.ts'
import { isLossy } from './lossy.ts'
import type { Plane } from './plane.ts'
import type { Geometry } from './stack.ts'
import type { Values } from './values.ts'

/**
 * Basic Application Level Confidentiality Profile and the edition of DICOM whose PS3.15 annex E it was held against; volume/profile.ts
 * adds the codes of options (CID 7050).
 */
export const PROFILE = '113100-2024b'

/** Units that may leave: codes of DICOM PS3.3 C.11.1.1.2 (rescale type) and C.8.9.1.1.3 (PET). Free text may not. */
const UNITS = new Set([
  'HU',
  'OD',
  'BQML',
  'CNTS',
  'CPS',
  'PROPCNTS',
  'PROPCPS',
  'GML',
  'CM2ML',
  'MLMING',
  'MGMINML',
])

/** Modalities that may leave (CID 29); another is OT, since the element can hold anything. */
const MODALITIES = new Set(
  'BI BMD CR CT DG DX EPS ES GM HC IO IVOCT IVUS LS MG MR NM OCT OP OPM OPT OT PT PX RF RG SM TG US XA XC'.split(
    ' ',
  ),
)

/** Modality as a short code, fit for names and headers. */
export function safeModality({ modality }: InstanceHeader): string {
  return MODALITIES.has(modality) ? modality : 'OT'
}

/**
 * The volume as it leaves: built from a closed list of numbers and codes, never by deleting what is known to be bad.
 *
 * @param planes of the volume, in order, already judged
 */
export function describeVolume(
  planes: readonly Plane[],
  geometry: Geometry,
  values: Values,
): { volume: Volume; header: Buffer } {
  const { header: first, values: said } = planes[0]!
  const units = unitsOf(first, said.units)
  const { slicePositions, unplaced, ...grid } = geometry
  const volume: Volume = {
    columns: grid.columns,
    rows: grid.rows,
    slices: grid.slices,
    type: values.type,
    spaceDirections: grid.spaceDirections,
    origin: grid.origin,
    slope: values.slope,
    intercept: values.intercept,
    ...(units !== undefined && { units }),
    modality: safeModality(first),
    ...(first.photometric === 'MONOCHROME1' && { inverted: true as const }),
    ...(unplaced && { unplaced }),
    ...(planes.some(({ header }) => isLossy(header)) && { lossy: true as const }),
    ...(slicePositions && { slicePositions }),
  }
  return { volume, header: nrrdHeader(volume) }
}

/** Units of real world values are UCUM (PS3.3 C.7.6.16.2.11); of a few that is the same as a code. */
const UCUM: Readonly<Record<string, string>> = {
  "[hnsf'U]": 'HU',
  'Bq/ml': 'BQML',
  '{counts}': 'CNTS',
  '{counts}/s': 'CPS',
  '{SUVbw}g/ml': 'GML',
}

/** CT without a rescale type is in HU (PS3.3 C.8.2.1.1.2). */
function unitsOf({ modality }: InstanceHeader, said: string | undefined): string | undefined {
  const code = UCUM[said ?? ''] ?? said
  if (code !== undefined) return UNITS.has(code) ? code : undefined
  return modality === 'CT' ? 'HU' : undefined
}
