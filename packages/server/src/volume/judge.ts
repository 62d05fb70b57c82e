import type { Vec3 } from '@mdm/core/volume/volume'
import { declaredBytes, isPlain, MAX_IMAGE_BYTES } from '../dicom/part10/index.ts'
import type { InstanceHeader, Orientation } from '../dicom/source.ts'
import { burnedInRisk } from './burned-in.ts'
import type { Refusal } from './plan.ts'

/** A kilometre: what is farther away is no position, and sums with it are no numbers any more. */
const MAX_POSITION_MM = 1e6
/** Of rescale slope and intercept; volume formats keep them as 32-bit floating point numbers. */
const MAX_VALUE = 1e30

export type Fault = Omit<Refusal, 'instances'>

/** A header with all that a slice of a volume needs. */
export interface SliceHeader extends InstanceHeader {
  rows: number
  columns: number
  bitsAllocated: 8 | 16 | 32
  bitsStored: number
  highBit: number
  pixelRepresentation: 0 | 1
  photometric: string
  slope: number
  intercept: number
  position: Vec3
  orientation: Orientation
  pixelSpacing: [number, number]
}

/** SOP classes (as prefixes) that hold no image: structured reports, presentation states, waveforms, PDF, RT, SEG, spectra. */
const NOT_IMAGES = [
  '1.2.840.10008.1.3.10',
  '1.2.840.10008.5.1.4.1.1.4.2',
  '1.2.840.10008.5.1.4.1.1.9.',
  '1.2.840.10008.5.1.4.1.1.11.',
  '1.2.840.10008.5.1.4.1.1.66',
  '1.2.840.10008.5.1.4.1.1.67',
  '1.2.840.10008.5.1.4.1.1.68',
  '1.2.840.10008.5.1.4.1.1.88.',
  '1.2.840.10008.5.1.4.1.1.104.',
  '1.2.840.10008.5.1.4.1.1.481.',
  '1.2.840.10008.5.1.4.34.',
  '1.2.840.10008.5.1.4.38.',
]
const NOT_IMAGE_MODALITIES = new Set(
  'AR AU DOC FID KER KO LEN OAM PLAN PR REG RTDOSE RTIMAGE RTPLAN RTRECORD RTSTRUCT SEG SMR SR SRF STAIN TEXTUREMAP VA'.split(
    ' ',
  ),
)

/**
 * What stands against one object being a slice, looked at alone; undefined when nothing does and it is a SliceHeader.
 * The order decides which code is given where several fit.
 *
 * @param o `released`: a person has looked at the pixels, so that what they may show does not count
 */
export function judge(header: InstanceHeader, o: { released?: boolean } = {}): Fault | undefined {
  return (
    unreadable(header) ??
    (o.released ? undefined : burnedInRisk(header)) ??
    badFrames(header) ??
    badPixels(header) ??
    badPlane(header)
  )
}

/** Why a person could not look at the object either: it holds no image, or a damaged one. */
export function unreadable(header: InstanceHeader): Fault | undefined {
  return notAnImage(header) ?? damaged(header)
}

function notAnImage(header: InstanceHeader): Fault | undefined {
  const prefix = NOT_IMAGES.some((uid) => header.sopClass === uid || header.sopClass.startsWith(uid))
  const bare = header.fault === undefined && header.pixelData === undefined
  if (!prefix && !bare && !NOT_IMAGE_MODALITIES.has(header.modality)) return undefined
  return {
    code: 'MDM_NOT_AN_IMAGE',
    reason: 'the object holds no image of the kind a volume is made of',
    tags: ['SOPClassUID'],
  }
}

function damaged(header: InstanceHeader): Fault | undefined {
  if (header.fault !== undefined)
    return { code: header.fault, reason: 'the object is cut short or malformed' }
  if (header.frames >= 1 && Number.isInteger(header.frames)) return undefined
  return { code: 'MDM_DICOM', reason: 'the number of frames is malformed', tags: ['NumberOfFrames'] }
}

function badFrames(header: InstanceHeader): Fault | undefined {
  const fault = (reason: string, tag: string): Fault => ({ code: 'MDM_MULTIFRAME', reason, tags: [tag] })
  if (header.frames > 1) return fault('the object holds several frames', 'NumberOfFrames')
  if (header.functionalGroups) return fault('the object is an enhanced one', 'SharedFunctionalGroupsSequence')
  if (header.tiled) return fault('the object holds several slices as tiles of one image', 'ImageType')
  return undefined
}

function badPixels(header: InstanceHeader): Fault | undefined {
  const fault = (reason: string, tag: string): Fault => ({ code: 'MDM_PIXELS', reason, tags: [tag] })
  const { bitsAllocated, bitsStored, highBit, pixelRepresentation, photometric } = header
  if (!isPlain(header.transferSyntax)) {
    return fault('the pixels are compressed, deflated or big endian', 'TransferSyntaxUID')
  }
  if (header.floatPixels) return fault('the pixels are floating point numbers', 'FloatPixelData')
  if (header.samplesPerPixel !== 1) return fault('the pixels have several samples', 'SamplesPerPixel')
  if (photometric !== 'MONOCHROME1' && photometric !== 'MONOCHROME2') {
    return fault('the pixels are not grey', 'PhotometricInterpretation')
  }
  if (bitsAllocated !== 8 && bitsAllocated !== 16 && bitsAllocated !== 32)
    return fault('the pixels are not of 8, 16 or 32 bits', 'BitsAllocated')
  if (bitsStored === undefined || bitsStored < 1 || bitsStored > bitsAllocated) {
    return fault('the bits stored do not fit the bits allocated', 'BitsStored')
  }
  if (highBit === undefined || highBit < bitsStored - 1 || highBit >= bitsAllocated)
    return fault('the high bit does not fit the bits stored', 'HighBit')
  if (pixelRepresentation !== 0 && pixelRepresentation !== 1)
    return fault('the sign is not said', 'PixelRepresentation')
  if (header.modalityLut)
    return fault('values go through a table, not through a slope', 'ModalityLUTSequence')
  const bytes = declaredBytes(header)
  if (bytes === undefined || bytes > (header.pixelData?.length ?? 0))
    return {
      code: 'MDM_DICOM',
      reason: 'there are fewer pixels than rows and columns say',
      tags: ['PixelData'],
    }
  if (bytes > MAX_IMAGE_BYTES) return fault(`the image has more than ${MAX_IMAGE_BYTES >> 20} MiB`, 'Rows')
  return undefined
}

function badPlane(header: InstanceHeader): Fault | undefined {
  const { slope, intercept, position, orientation, pixelSpacing } = header
  if (
    slope === undefined ||
    intercept === undefined ||
    !isSlope(slope) ||
    !(Math.abs(intercept) <= MAX_VALUE)
  ) {
    return {
      code: 'MDM_RESCALE',
      reason: 'the rescale values are malformed or out of all bounds, or the slope is 0',
      tags: ['RescaleSlope', 'RescaleIntercept'],
    }
  }
  const fault = (reason: string, tag: string): Fault => ({ code: 'MDM_GEOMETRY', reason, tags: [tag] })
  if (position === undefined || !position.every((mm) => Math.abs(mm) <= MAX_POSITION_MM))
    return fault('the position is absent, malformed or out of all bounds', 'ImagePositionPatient')
  if (orientation === undefined)
    return fault('the orientation is absent or malformed', 'ImageOrientationPatient')
  if (pixelSpacing === undefined || !pixelSpacing.every(isSpacing))
    return fault('the pixel spacing is absent, malformed or out of all bounds', 'PixelSpacing')
  if (!isOrthonormal(orientation))
    return fault('the orientation is no pair of orthogonal unit vectors', 'ImageOrientationPatient')
  return undefined
}

/** True for a distance between voxels (mm): of microscopes, of scanners, and with room for both. */
export function isSpacing(mm: number): boolean {
  return mm >= 1e-6 && mm <= 1e4
}

function isSlope(slope: number): boolean {
  return Math.abs(slope) >= 1 / MAX_VALUE && Math.abs(slope) <= MAX_VALUE
}

/** Unit length and right angle within 1e-3: decimal strings of four digits pass. */
function isOrthonormal([a, b, c, d, e, f]: Orientation): boolean {
  const unit = (length: number): boolean => Math.abs(length - 1) <= 1e-3
  return unit(Math.hypot(a, b, c)) && unit(Math.hypot(d, e, f)) && Math.abs(a * d + b * e + c * f) <= 1e-3
}
