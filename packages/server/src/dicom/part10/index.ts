export { decodeText } from './charset.ts'
export { MAX_HEADER_BYTES } from './elements.ts'
export { readHeader, readHeaderStart } from './header.ts'
export { isPlain, pixelBytes, pixelSpan } from './pixels.ts'
