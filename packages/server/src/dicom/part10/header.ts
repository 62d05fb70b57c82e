import { MdmError } from '@mdm/core/errors'
import type { Vec3 } from '@mdm/core/volume/volume'
import type { InstanceHeader, Orientation } from '../source.ts'
import { objectMarks } from './object-marks.ts'
import { readElements, type Elements } from './elements.ts'
import { pixelsFit } from './pixels.ts'
import { valuesOf, type Values } from './values.ts'

/**
 * The header of an object that is there as a whole.
 *
 * @throws MDM_DICOM when it is no DICOM object, or does not say which series it belongs to
 */
export function readHeader(bytes: Buffer): InstanceHeader {
  const header = readHeaderStart(bytes, bytes.length)
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
export function readHeaderStart(bytes: Buffer, fileBytes: number): InstanceHeader | 'more' | undefined {
  const elements = readElements(bytes, fileBytes)
  return elements === undefined || elements === 'more' ? elements : headerOf(elements, fileBytes)
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
  const elements = readElements(bytes, dataSetBytes, transferSyntax)
  if (elements === undefined) throw new MdmError('MDM_DICOM', 'this is no DICOM object')
  return elements === 'more' ? elements : headerOf(elements, dataSetBytes)
}

function headerOf(elements: Elements, fileBytes: number): InstanceHeader {
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
  return {
    ...ids,
    sopClass: uid(values.ascii('x00080016')),
    ...(damaged && { fault: 'MDM_DICOM' as const }),
    ...image,
    ...describePlane(values),
    instanceNumber: values.numbers('x00200013', 1)?.[0],
    marks: objectMarks(values, image.imageType),
    text: text ?? {},
  }
}

/** The text when it can name something; names that are no UIDs are met in the wild. */
function uid(text: string): string {
  return /^[\x21-\x7e]{1,128}$/.test(text) ? text : ''
}

function describeImage(values: Values, { pixelData }: Elements) {
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
    modalityLut: values.has('x00283000'),
    pixelData: pixelData && { offset: pixelData.offset, length: pixelData.length },
    floatPixels: pixelData !== undefined && pixelData.tag !== 'x7fe00010',
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
