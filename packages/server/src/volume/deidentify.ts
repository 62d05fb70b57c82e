import { nrrdHeader } from '@mdm/core/volume/formats/nrrd'
import type { VoxelType, Volume } from '@mdm/core/volume/volume'
import type { InstanceHeader } from '../dicom/source.ts'

/** Basic Application Level Confidentiality Profile, no option that retains anything (DICOM PS3.15 annex E, CID 7050). */
export const PROFILE = '113100'

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
 * @param first  header of the first slice, already judged
 * @param stack  geometry of the stack
 */
export function describeVolume(
  first: InstanceHeader & { slope: number; intercept: number },
  stack: Pick<Volume, 'columns' | 'rows' | 'slices' | 'spaceDirections' | 'origin'>,
  type: VoxelType,
): { volume: Volume; header: Buffer } {
  const units = unitsOf(first)
  const volume: Volume = {
    columns: stack.columns,
    rows: stack.rows,
    slices: stack.slices,
    type,
    spaceDirections: stack.spaceDirections,
    origin: stack.origin,
    slope: first.slope,
    intercept: first.intercept,
    ...(units !== undefined && { units }),
    modality: safeModality(first),
    ...(first.photometric === 'MONOCHROME1' && { inverted: true as const }),
  }
  return { volume, header: nrrdHeader(volume) }
}

/** CT without a rescale type is in HU (PS3.3 C.8.2.1.1.2). */
function unitsOf({ text, modality }: InstanceHeader): string | undefined {
  const said = modality === 'PT' ? text.Units : text.RescaleType
  if (said !== undefined) return UNITS.has(said) ? said : undefined
  return modality === 'CT' ? 'HU' : undefined
}
