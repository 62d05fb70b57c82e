import type { SeriesAxis, Volume } from '../volume.ts'
import { gzipped } from './gzip.ts'
import { metaimageHeader, realValues } from './metaimage.ts'
import type { FormatName } from './names.ts'
import { niftiHeader } from './nifti.ts'
import { nrrdHeader } from './nrrd.ts'

/** A file format: a header, then the voxels of the plaintext, unchanged unless it says otherwise. */
export interface Format {
  /**
   * @param axis for a file that holds a whole set: all its volumes have the grid and type of `volume`, and follow one another
   * @throws MDM_USAGE when the format cannot hold it
   */
  header(volume: Volume, axis?: SeriesAxis): Buffer
  /** what is written instead of the stored voxels of such a volume; undefined where they stay as they are */
  encoder?(volume: Volume): ((voxels: Buffer) => Buffer) | undefined
  /** what becomes of the whole file */
  pack?(file: AsyncIterable<Buffer>): AsyncIterable<Buffer>
}

export const FORMATS: Readonly<Record<FormatName, Format>> = {
  nrrd: { header: nrrdHeader },
  nifti: { header: niftiHeader },
  'nifti-gz': { header: niftiHeader, pack: gzipped },
  metaimage: { header: metaimageHeader, encoder: realValues },
}

export { sliceSpan } from '../volume.ts'
export { convert } from './convert.ts'
export { metaimageHeader } from './metaimage.ts'
export { EXTENSIONS, FORMAT_NAMES, type FormatName } from './names.ts'
export { niftiHeader } from './nifti.ts'
export { nrrdHeader, parseNrrdHeader } from './nrrd.ts'
