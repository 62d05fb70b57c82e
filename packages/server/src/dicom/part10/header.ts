import { MdmError } from '@mdm/core/errors'
import type { Vec3 } from '@mdm/core/volume/volume'
import type { InstanceHeader, Orientation, PixelDataPlace } from '../source.ts'
import { readElements, type Elements } from './elements.ts'
import { readFrameTable } from './functional-groups.ts'
import { DEFLATED } from './locate.ts'
import { readModalityLut, readRealWorld } from './lookup-tables.ts'
import { readNuclear } from './nuclear.ts'
import { objectMarks } from './object-marks.ts'
import { pixelsFit } from './pixels.ts'
import { atOnce, inTurns, type Steps } from './steps.ts'
import { readTiles } from './tiles.ts'
import { valuesOf, type Values } from './values.ts'

/** What the first part of an object gives: its header; 'more' when that goes on; undefined for no DICOM object. */
type Found = InstanceHeader | 'more' | undefined

/**
 * The header of an object that is there as a whole.
 *
 * @throws MDM_DICOM when it is no DICOM object, or does not say which series it belongs to
 */
export function readHeader(bytes: Buffer): InstanceHeader {
  const header = atOnce(headerSteps(bytes, bytes.length))
  if (header === undefined || header === 'more') throw new MdmError('MDM_DICOM', 'this is no DICOM object')
  return header
}

/**
 * The header of an object of which only the first part was read.
 *
 * @param bytes     first part of the object
 * @param fileBytes length of the whole object
 * @returns 'more' when the header goes on after `bytes`; undefined when this is no DICOM object
 * @throws MDM_DICOM when it is one but does not say which series it belongs to
 */
export function readHeaderStart(bytes: Buffer, fileBytes: number): Found {
  return atOnce(headerSteps(bytes, fileBytes))
}

/** As readHeaderStart(), in turns with all else that the process has to do: the header of many frames takes long. */
export function readHeaderInTurns(bytes: Buffer, fileBytes: number): Promise<Found> {
  return inTurns(headerSteps(bytes, fileBytes))
}

/**
 * The header of a data set without file meta information, as it comes from a server, of which only the first part was read.
 *
 * @param bytes first part of the data set
 * @param dataSetBytes length of the whole data set; Infinity while it is not known
 * @returns 'more' when the header goes on after `bytes`
 * @throws MDM_DICOM when it does not say which series it belongs to, or is no data set
 */
export function readBareHeader(
  bytes: Buffer,
  transferSyntax: string,
  dataSetBytes: number,
): InstanceHeader | 'more' {
  return isObject(atOnce(headerSteps(bytes, dataSetBytes, transferSyntax)))
}

/** As readBareHeader(), in turns with all else that the process has to do. */
export async function readBareHeaderInTurns(
  bytes: Buffer,
  transferSyntax: string,
  dataSetBytes: number,
): Promise<InstanceHeader | 'more'> {
  return isObject(await inTurns(headerSteps(bytes, dataSetBytes, transferSyntax)))
}

function isObject(found: Found): InstanceHeader | 'more' {
  if (found === undefined) throw new MdmError('MDM_DICOM', 'this is no DICOM object')
  return found
}

/** The work of reading a header; `bare` is the transfer syntax of a data set alone. */
export function* headerSteps(bytes: Buffer, fileBytes: number, bare?: string): Steps<Found> {
  const elements = yield* readElements(bytes, fileBytes, bare)
  return elements === undefined || elements === 'more' ? elements : yield* headerOf(elements, fileBytes)
}

function* headerOf(elements: Elements, fileBytes: number): Steps<InstanceHeader> {
  const values = valuesOf(elements)
  const ids = {
    study: uid(values.ascii('x0020000d')),
    series: uid(values.ascii('x0020000e')),
    sop: uid(values.ascii('x00080018')) || uid(elements.start.mediaSop ?? ''),
  }
  if (ids.study === '' || ids.series === '' || ids.sop === '') {
    throw new MdmError('MDM_DICOM', 'the object does not say which study, series and instance it is')
  }
  const text = values.text()
  const image = { transferSyntax: elements.start.transferSyntax, ...describeImage(values, elements) }
  const damaged = elements.damaged || text === undefined || !pixelsFit(image, fileBytes)
  const frameTable = damaged ? undefined : yield* readFrameTable(elements)
  const tiles = image.tiled ? yield* readTiles(elements, values) : undefined
  const nuclear = image.modality === 'NM' && image.frames > 1 ? yield* readNuclear(elements) : undefined
  const modalityLut = yield* readModalityLut(elements, image.pixelRepresentation)
  const isRescaled = values.has('x00281053') || values.has('x00281052')
  const realWorld = isRescaled ? [] : yield* readRealWorld(elements, image.pixelRepresentation)
  return {
    ...ids,
    sopClass: uid(values.ascii('x00080016')),
    ...(damaged && { fault: 'MDM_DICOM' as const }),
    ...image,
    ...describePlane(values),
    ...(tiles !== undefined && { tiles }),
    ...(nuclear !== undefined && { nuclear }),
    isRescaled,
    modalityLut,
    realWorld,
    ...(frameTable !== undefined && { frameTable }),
    instanceNumber: values.numbers('x00200013', 1)?.[0],
    marks: objectMarks(values, image.imageType),
    text: text ?? {},
  }
}

/** The text when it can name something; names that are no UIDs are met in the wild. */
function uid(text: string): string {
  return /^[\x21-\x7e]{1,128}$/.test(text) ? text : ''
}

function describeImage(values: Values, elements: Elements) {
  const { pixelData } = elements
  const imageType = values.codes('x00080008')
  const frames = values.numbers('x00280008', 1)?.[0]
  return {
    modality: values.ascii('x00080060'),
    imageType,
    rows: values.unsigned('x00280010'),
    columns: values.unsigned('x00280011'),
    frames: values.ascii('x00280008') === '' ? 1 : (frames ?? 0),
    samplesPerPixel: values.unsigned('x00280002'),
    photometric: values.ascii('x00280004') || undefined,
    bitsAllocated: values.unsigned('x00280100'),
    bitsStored: values.unsigned('x00280101'),
    highBit: values.unsigned('x00280102'),
    pixelRepresentation: values.unsigned('x00280103'),
    slope: values.ascii('x00281053') === '' ? 1 : values.numbers('x00281053', 1)?.[0],
    intercept: values.ascii('x00281052') === '' ? 0 : values.numbers('x00281052', 1)?.[0],
    functionalGroups: values.has('x52009229') || values.has('x52009230'),
    tiled: imageType.includes('MOSAIC') || imageType.includes('VFRAME'),
    pixelData: pixelData && describePixelData(values, elements, pixelData),
    floatPixels: pixelData !== undefined && pixelData.tag !== 'x7fe00010',
  }
}

function describePixelData(
  values: Values,
  { start, byTag }: Elements,
  { vr, offset, length }: NonNullable<Elements['pixelData']>,
): PixelDataPlace {
  const span = (tag: string) => {
    const { dataOffset = 0, length = 0 } = byTag.get(tag) ?? {}
    return { start: dataOffset, end: dataOffset + length }
  }
  const tables = length === undefined && values.has('x7fe00001') && values.has('x7fe00002')
  return {
    offset,
    length,
    ...(vr !== undefined && { vr }),
    ...(values.unsigned('x00280006') === 1 && { planar: true }),
    ...(tables && { offsetTable: { offsets: span('x7fe00001'), lengths: span('x7fe00002') } }),
    ...(start.transferSyntax === DEFLATED && { deflatedFrom: start.offset }),
  }
}

function describePlane(values: Values) {
  return {
    position: values.numbers('x00200032', 3) as Vec3 | undefined,
    orientation: values.numbers('x00200037', 6) as Orientation | undefined,
    pixelSpacing: values.numbers('x00280030', 2) as [number, number] | undefined,
    sliceThickness: values.numbers('x00180050', 1)?.[0],
    spacingBetweenSlices: values.numbers('x00180088', 1)?.[0],
  }
}
