import { MdmError } from '@mdm/core/errors'
import { MAX_HEADER_BYTES, pixelsFit, readBareHeaderInTurns } from '../part10/index.ts'
import type { StoredBytes } from '../pixels/stored-bytes.ts'
import type { InstanceHeader, SeriesRef, StoredObject } from '../source.ts'
import { Gathered } from '../pixels/gathered.ts'

/** Enough for most headers. */
const FIRST_READ = 64 * 1024

/** No single object is larger: it is held in memory while its slice is placed. */
const MAX_OBJECT_BYTES = 1 << 30

/** All that reading needs; which object it is, its data set says. */
type Contents = Pick<StoredObject, 'transferSyntax' | 'dataSet'>

/**
 * The header of an object that comes from a server; its pixels pass by and are not kept.
 *
 * @returns a header with `fault` when the object ends before it should
 * @throws MDM_DICOM when it does not say which series it belongs to, and what reading throws
 */
export async function readObjectHeader(object: Contents): Promise<InstanceHeader> {
  const start = new Gathered()
  let header: InstanceHeader | 'more' = 'more'
  let tried = 0
  let fault: unknown
  for await (const chunk of object.dataSet) {
    if (header !== 'more' || fault !== undefined) {
      start.skip(chunk.length)
      continue
    }
    start.add(chunk)
    if (start.length < Math.min(Math.max(FIRST_READ, tried * 4), MAX_HEADER_BYTES)) continue
    tried = start.length
    try {
      header = await readBareHeaderInTurns(start.bytes(), object.transferSyntax, Infinity)
    } catch (error) {
      // The rest must still be read, so that the next object can come.
      fault = error
    }
    if (header !== 'more') start.forget()
  }
  if (fault !== undefined) throw fault
  if (header === 'more')
    header = await readBareHeaderInTurns(start.bytes(), object.transferSyntax, start.total)
  if (header === 'more') throw new MdmError('MDM_DICOM', 'the header of an object does not end')
  return pixelsFit(header, start.total) ? header : { ...header, fault: 'MDM_DICOM' }
}

/** An object that comes from a server, held in memory until its frames are taken. */
export interface ReadObject {
  header: InstanceHeader
  bytes: StoredBytes
}

/**
 * An object that comes from a server, with its pixels.
 *
 * @returns undefined when it is damaged, or more than is held in memory
 * @throws what reading throws
 */
export async function readObject(object: Contents): Promise<ReadObject | undefined> {
  const all = new Gathered()
  let tooLarge = false
  for await (const chunk of object.dataSet) {
    tooLarge ||= all.total + chunk.length > MAX_OBJECT_BYTES
    if (tooLarge) all.skip(chunk.length)
    else all.add(chunk)
  }
  if (tooLarge) return undefined
  try {
    const header = await headerOf(all, object.transferSyntax)
    return header === 'more' ? undefined : { header, bytes: all }
  } catch (error) {
    return unlessDamaged(error)
  }
}

/** From the first bytes, of which more are taken until they hold all of it. */
async function headerOf(all: Gathered, transferSyntax: string): Promise<InstanceHeader | 'more'> {
  for (let most = FIRST_READ; ; most *= 4) {
    const bytes = all.first(most)
    const header = await readBareHeaderInTurns(bytes, transferSyntax, all.length)
    if (header !== 'more' || bytes.length === all.length) return header
  }
}

/** An object that cannot be read is not there: who counts will miss it, or says so. */
export function unlessDamaged(error: unknown): undefined {
  if (error instanceof MdmError && error.code === 'MDM_DICOM') return undefined
  throw error
}

/** What stands for an object whose header cannot be read, or that is of another series than its source said. */
export function damagedHeader(
  { sop, sopClass, transferSyntax }: Pick<StoredObject, 'sop' | 'sopClass' | 'transferSyntax'>,
  { study, series }: SeriesRef,
): InstanceHeader {
  return {
    ...{ study, series, sop, sopClass, transferSyntax, fault: 'MDM_DICOM' },
    ...{
      modality: '',
      imageType: [],
      rows: undefined,
      columns: undefined,
      frames: 0,
      samplesPerPixel: undefined,
    },
    ...{ photometric: undefined, bitsAllocated: undefined, bitsStored: undefined, highBit: undefined },
    ...{
      pixelRepresentation: undefined,
      position: undefined,
      orientation: undefined,
      pixelSpacing: undefined,
    },
    ...{ sliceThickness: undefined, spacingBetweenSlices: undefined, slope: undefined, intercept: undefined },
    ...{
      functionalGroups: false,
      tiled: false,
      isRescaled: false,
      modalityLut: undefined,
      realWorld: [],
      pixelData: undefined,
      floatPixels: false,
    },
    instanceNumber: undefined,
    marks: {},
    text: {},
  }
}
