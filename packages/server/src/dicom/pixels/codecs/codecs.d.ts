/** The parts of the codecs that we use; they ship no types, or others. Each is Emscripten's module of a C++ library. */
declare module '@cornerstonejs/codec-charls/decodewasmjs' {
  const open: import('./codec-module.ts').OpenModule<'JpegLSDecoder'>
  export default open
}
declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  const open: import('./codec-module.ts').OpenModule<'J2KDecoder'>
  export default open
}
declare module '@cornerstonejs/codec-openjph' {
  const open: import('./codec-module.ts').OpenModule<'HTJ2KDecoder'>
  export default open
}
declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' {
  const open: import('./codec-module.ts').OpenModule<'JPEGDecoder'>
  export default open
}
