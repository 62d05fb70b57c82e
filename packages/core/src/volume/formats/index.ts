import type { Volume } from '../volume.ts'
import { niftiHeader } from './nifti.ts'
import { nrrdHeader } from './nrrd.ts'

/** A file format: a header, then the voxels of the plaintext unchanged. */
export interface Format {
  extension: string
  /** @throws MDM_USAGE when the format cannot hold the volume */
  header(volume: Volume): Buffer
}

export const FORMATS = {
  nrrd: { extension: '.nrrd', header: nrrdHeader },
  nifti: { extension: '.nii', header: niftiHeader },
} as const satisfies Record<string, Format>

export type FormatName = keyof typeof FORMATS

export { sliceSpan } from '../volume.ts'
export { convert } from './convert.ts'
export { niftiHeader } from './nifti.ts'
export { nrrdHeader, parseNrrdHeader } from './nrrd.ts'
