export { decodeText } from './charset.ts'
export { MAX_HEADER_BYTES } from './encoding.ts'
export {
  headerSteps,
  readBareHeader,
  readBareHeaderInTurns,
  readHeader,
  readHeaderInTurns,
  readHeaderStart,
} from './header.ts'
export { readFileMeta, type FileMeta } from './locate.ts'
export { declaredBytes, isPlain, MAX_IMAGE_BYTES, pixelBytes, pixelsFit, pixelSpan } from './pixels.ts'
