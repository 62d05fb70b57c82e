import type { RetrievedFrame } from '../source.ts'
import { frameBytes } from './frame-shape.ts'
import type { StoredFrame } from './frames.ts'
import type { Decoders } from './pool.ts'

/** Pixels that wait, decoded or about to be, beside those of the frame that is wanted next. */
const MAX_AHEAD_BYTES = 64 << 20

/**
 * Decodes frames in the order they come. While one is taken, the next few are being decoded; uncompressed ones pass, and need
 * no thread.
 *
 * @throws what `stored` throws | MDM_PIXELS when a frame cannot be decoded
 */
export async function* decodedFrames(
  stored: AsyncIterable<StoredFrame>,
  decoders: Pick<Decoders, 'size' | 'decode'>,
  signal?: AbortSignal,
): AsyncGenerator<RetrievedFrame> {
  const leaving = new AbortController()
  const until = signal === undefined ? leaving.signal : AbortSignal.any([signal, leaving.signal])
  const waiting: { bytes: number; frame: Promise<RetrievedFrame> }[] = []
  let ahead = 0
  const take = async (): Promise<RetrievedFrame> => {
    const { bytes, frame } = waiting.shift()!
    ahead -= bytes
    return await frame
  }
  try {
    for await (const frame of stored) {
      const bytes = frameBytes(frame.shape)
      while (waiting.length > decoders.size || (waiting.length > 0 && ahead + bytes > MAX_AHEAD_BYTES))
        yield await take()
      const decoded = decode(frame, decoders, until)
      // Looked at when its turn comes.
      decoded.catch(() => {})
      waiting.push({ bytes, frame: decoded })
      ahead += bytes
      if (frame.coding === 'native') while (waiting.length > 0) yield await take()
    }
    while (waiting.length > 0) yield await take()
  } finally {
    leaving.abort()
  }
}

async function decode(
  { header, frame, coding, shape, bytes }: StoredFrame,
  decoders: Pick<Decoders, 'decode'>,
  signal: AbortSignal,
): Promise<RetrievedFrame> {
  if (coding === 'native') return { header, frame, pixels: bytes }
  const stream = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
  return { header, frame, pixels: await decoders.decode({ coding, stream, shape }, signal) }
}
