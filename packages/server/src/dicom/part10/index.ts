export { decodeText } from './charset.ts'
export { MAX_HEADER_BYTES, tagAt, UNDEFINED_LENGTH, unsigned32 } from './encoding.ts'
export {
  headerSteps,
  readBareHeader,
  readBareHeaderInTurns,
  readHeader,
  readHeaderInTurns,
  readHeaderStart,
} from './header.ts'
export { listElements, type ListedElement } from './list-elements.ts'
export { DEFLATED, EXPLICIT_BIG_ENDIAN, readFileMeta, type FileMeta } from './locate.ts'
export { declaredBytes, isPlain, MAX_IMAGE_BYTES, pixelBytes, pixelsFit, pixelSpan } from './pixels.ts'
export { ITEM, SEQUENCE_END } from './skip.ts'
