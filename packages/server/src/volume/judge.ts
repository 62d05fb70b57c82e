import { declaredBytes } from '../dicom/part10/index.ts'
import { codingOf, undecodable } from '../dicom/pixels/index.ts'
import type { InstanceHeader } from '../dicom/source.ts'
import { burnedInRisk } from './burned-in.ts'
import type { Refusal } from './plan.ts'

export type Fault = Omit<Refusal, 'instances'>

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
 * What stands against one object being part of a volume, looked at alone, but for where its planes lie (planes/).
 * The order decides which code is given where several fit.
 *
 * @param o `released`: a person has looked at the pixels, so that what they may show does not count
 */
export function judge(header: InstanceHeader, o: { released?: boolean } = {}): Fault | undefined {
  return unreadable(header) ?? (o.released ? undefined : burnedInRisk(header)) ?? badPixels(header)
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

/** Colour that can be told as red, green and blue; a palette is none of its own. */
const COLOURS = new Set(['RGB', 'YBR_FULL', 'YBR_FULL_422', 'YBR_RCT', 'YBR_ICT'])

function badPixels(header: InstanceHeader): Fault | undefined {
  const fault = (reason: string, tag: string): Fault => ({ code: 'MDM_PIXELS', reason, tags: [tag] })
  const bad = badSamples(header) ?? badBits(header)
  if (bad !== undefined) return fault(...bad)
  if (lacksPixels(header))
    return {
      code: 'MDM_DICOM',
      reason: 'there are fewer pixels than rows and columns say',
      tags: ['PixelData'],
    }
  const stands = undecodable(header)
  return stands && fault(stands.reason, stands.tag)
}

/** How many there are in compressed pixels shows when they are decoded. */
function lacksPixels(header: InstanceHeader): boolean {
  const bytes = declaredBytes(header)
  if (bytes === undefined) return true
  return codingOf(header.transferSyntax) === 'native' && bytes > (header.pixelData?.length ?? 0)
}

type Bad = [reason: string, tag: string]

function badSamples({ samplesPerPixel, photometric, bitsAllocated }: InstanceHeader): Bad | undefined {
  if (photometric === 'PALETTE COLOR')
    return ['the pixels are numbers of colours in a palette', 'PhotometricInterpretation']
  if (COLOURS.has(photometric ?? '')) {
    if (samplesPerPixel === 3 && bitsAllocated === 8) return undefined
    return ['the pixels are in colour, but not of three bytes', 'SamplesPerPixel']
  }
  if (photometric !== 'MONOCHROME1' && photometric !== 'MONOCHROME2')
    return ['the pixels are neither grey nor of a known kind of colour', 'PhotometricInterpretation']
  return samplesPerPixel === 1
    ? undefined
    : ['the pixels are grey, but have several samples', 'SamplesPerPixel']
}

function badBits(header: InstanceHeader): Bad | undefined {
  const { bitsAllocated = 0, bitsStored, highBit, pixelRepresentation, floatPixels } = header
  if (floatPixels) {
    if (bitsAllocated === 32 || bitsAllocated === 64) return undefined
    return ['the floating point pixels are not of 32 or 64 bits', 'BitsAllocated']
  }
  if (![1, 8, 16, 32].includes(bitsAllocated))
    return ['the pixels are not of 1, 8, 16 or 32 bits', 'BitsAllocated']
  if (bitsStored === undefined || bitsStored < 1 || bitsStored > bitsAllocated)
    return ['the bits stored do not fit the bits allocated', 'BitsStored']
  if (highBit === undefined || highBit < bitsStored - 1 || highBit >= bitsAllocated)
    return ['the high bit does not fit the bits stored', 'HighBit']
  if (pixelRepresentation !== 0 && pixelRepresentation !== 1)
    return ['the sign is not said', 'PixelRepresentation']
  return undefined
}
