import { parseNrrdHeader } from '@mdm/core/volume/formats/nrrd'
import { previewOf } from '@mdm/core/volume/preview/preview'
import { drawPicture, type Canvas } from '../preview/terminal.ts'

/** Draws the middle slice of an NRRD file as text, dark to bright. */
export async function previewNrrd(file: Buffer, canvas: Canvas): Promise<string> {
  const parsed = parseNrrdHeader(file)
  if (parsed === undefined) return ''
  const { volume, headerBytes } = parsed
  const voxels = (async function* () {
    yield file.subarray(headerBytes)
  })()
  const { picture } = await previewOf(volume, voxels, { planes: ['axial'] })
  return drawPicture(picture, canvas)
}
