import { finished } from 'node:stream/promises'
import { constants, crc32, createDeflateRaw } from 'node:zlib'

/**
 * Method deflate, no flags: so no name, no comment; no time, nothing about the compressor, operating system not named
 * (RFC 1952 section 2.3).
 */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])

/**
 * Compresses a file as one gzip member that says nothing but its content: the same bytes for the same file, whoever writes it
 * when, as long as the zlib is the same.
 *
 * @param file each piece is read before the next is asked for
 * @returns pieces that are the reader's own
 */
export async function* gzipped(file: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const deflate = createDeflateRaw({ level: constants.Z_DEFAULT_COMPRESSION })
  const ready: Buffer[] = []
  deflate.on('data', (piece: Buffer) => ready.push(piece))
  let checksum = 0
  let bytes = 0
  try {
    yield HEADER
    for await (const piece of file) {
      checksum = crc32(piece, checksum)
      bytes += piece.length
      await new Promise<void>((resolve, reject) => {
        deflate.write(piece, (error) => (error ? reject(error) : resolve()))
      })
      while (ready.length > 0) yield ready.shift()!
    }
    deflate.end()
    await finished(deflate)
    yield* ready
    yield trailer(checksum, bytes)
  } finally {
    deflate.destroy()
  }
}

/** CRC-32 and length of the content, the latter modulo 2^32. */
function trailer(checksum: number, bytes: number): Buffer {
  const end = Buffer.alloc(8)
  end.writeUInt32LE(checksum >>> 0, 0)
  end.writeUInt32LE(bytes % 2 ** 32, 4)
  return end
}
