import { Misfit } from './misfit.ts'

/** What the decoder of a C++ library says of an image. */
export interface StreamInfo {
  readonly width: number
  readonly height: number
  readonly bitsPerSample: number
  readonly componentCount: number
  /** absent where the format has no signed numbers */
  readonly isSigned?: boolean
}

interface StreamDecoder {
  /** memory of the library for so many encoded bytes */
  getEncodedBuffer(length: number): Uint8Array
  decode(): void
  /** a view on memory of the library, gone after delete() */
  getDecodedBuffer(): Uint8Array
  getFrameInfo(): StreamInfo
  /** JPEG-LS: 0 when components come one after the other, in planes */
  getInterleaveMode?(): number
  delete(): void
}

/** Opens a library compiled by Emscripten; `Name` is the class of its decoder. */
export type OpenModule<Name extends string> = (o: {
  print(text: string): void
  printErr(text: string): void
}) => Promise<Record<Name, new () => StreamDecoder>>

export interface Decoded {
  /** one byte a sample, or two (little endian) where it has more than 8 bits; in memory of its own */
  readonly samples: Uint8Array<ArrayBuffer>
  readonly info: StreamInfo
  readonly planar: boolean
}

/** Opens a library without a voice: what it prints may hold what it read. */
export async function openDecoder<Name extends string>(
  open: OpenModule<Name>,
  name: Name,
): Promise<new () => StreamDecoder> {
  const quiet = { print: () => {}, printErr: () => {} }
  return (await open(quiet))[name]
}

/** @throws Misfit when the library does not take the stream */
export function decodeWith(Decoder: new () => StreamDecoder, stream: Uint8Array): Decoded {
  const decoder = new Decoder()
  try {
    decoder.getEncodedBuffer(stream.length).set(stream)
    decoder.decode()
    return {
      samples: Uint8Array.from(decoder.getDecodedBuffer()),
      info: decoder.getFrameInfo(),
      planar: decoder.getInterleaveMode?.() === 0,
    }
  } catch {
    throw new Misfit('malformed')
  } finally {
    decoder.delete()
  }
}
