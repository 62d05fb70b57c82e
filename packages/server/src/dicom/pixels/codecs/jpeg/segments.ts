import type { StreamInfo } from '../codec-module.ts'
import { Misfit } from '../misfit.ts'

/** What stands before the first scan of a JPEG stream. */
export interface JpegFrame extends StreamInfo {
  readonly components: readonly { readonly id: number; readonly quantization: number }[]
  /** by class * 16 + number: how many codes there are of 1 to 16 bits, and what they mean */
  readonly huffman: ReadonlyMap<number, { counts: Uint8Array; symbols: Uint8Array }>
  /** by number, in zigzag order */
  readonly quantization: ReadonlyMap<number, Uint16Array>
  /** MCUs between two restarts, 0 for none */
  readonly restartInterval: number
  readonly jfif: boolean
  /** the colour transform of an Adobe segment */
  readonly adobe: number | undefined
  readonly scan: JpegScan
}

export interface JpegScan {
  /** in the order of the scan: which component, and the tables of its DC and AC codes */
  readonly components: readonly { readonly index: number; readonly dc: number; readonly ac: number }[]
  /** spectral selection, or the predictor of a lossless one */
  readonly start: number
  readonly end: number
  /** successive approximation, high and low; low is the point transform of a lossless one */
  readonly high: number
  readonly low: number
  /** where its entropy-coded data begins */
  readonly dataAt: number
}

const SOI = 0xffd8
const DHT = 0xc4
const DQT = 0xdb
const DRI = 0xdd
const SOS = 0xda
/** None of these stands before the first scan, or has a length. */
const BARE = new Set([0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9])
/** Frames of the processes of JPEG, and that of JPEG-LS. */
const isFrame = (marker: number): boolean =>
  (marker >= 0xc0 && marker <= 0xcf && marker !== DHT && marker !== 0xc8 && marker !== 0xcc) ||
  marker === 0xf7

/**
 * Reads a JPEG or JPEG-LS stream up to its first scan.
 *
 * @param processes markers of the frames that are accepted, such as 0xc3 for lossless
 * @throws Misfit when it is malformed, of another process, or its components are not all of one size
 * @see ITU-T T.81 annex B, T.87 annex C
 */
export function readJpegFrame(stream: Uint8Array, processes: readonly number[]): JpegFrame {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length)
  if (stream.length < 4 || view.getUint16(0) !== SOI) throw new Misfit('malformed')
  const huffman = new Map<number, { counts: Uint8Array; symbols: Uint8Array }>()
  const quantization = new Map<number, Uint16Array>()
  let restartInterval = 0
  let jfif = false
  let adobe: number | undefined
  let frame: Pick<JpegFrame, keyof StreamInfo | 'components'> | undefined
  for (let at = 2; ;) {
    while (stream[at] === 0xff && stream[at + 1] === 0xff) at++
    if (at + 4 > stream.length || stream[at] !== 0xff) throw new Misfit('malformed')
    const marker = stream[at + 1]!
    const length = view.getUint16(at + 2)
    const body = stream.subarray(at + 4, at + 2 + length)
    if (BARE.has(marker) || length < 2 || body.length !== length - 2) throw new Misfit('malformed')
    at += 2 + length
    if (marker === DHT) readHuffman(body, huffman)
    else if (marker === DQT) readQuantization(body, quantization)
    else if (marker === DRI && body.length === 2) restartInterval = (body[0]! << 8) | body[1]!
    else if (marker === 0xe0) jfif ||= startsWith(body, 'JFIF\0')
    else if (marker === 0xee && startsWith(body, 'Adobe') && body.length >= 12) adobe = body[11]
    else if (isFrame(marker)) {
      if (frame !== undefined || !processes.includes(marker)) throw new Misfit('kind')
      frame = readFrame(body)
    } else if (marker === SOS) {
      if (frame === undefined) throw new Misfit('malformed')
      const scan = readScan(body, frame.components, at)
      return { ...frame, huffman, quantization, restartInterval, jfif, adobe, scan }
    }
  }
}

function readFrame(body: Uint8Array): Pick<JpegFrame, keyof StreamInfo | 'components'> {
  const count = body[5] ?? 0
  if (count === 0 || body.length !== 6 + 3 * count) throw new Misfit('malformed')
  const components = Array.from({ length: count }, (_, c) => ({
    id: body[6 + 3 * c]!,
    quantization: body[8 + 3 * c]!,
  }))
  return {
    bitsPerSample: body[0]!,
    height: (body[1]! << 8) | body[2]!,
    width: (body[3]! << 8) | body[4]!,
    componentCount: count,
    components,
  }
}

function readScan(body: Uint8Array, components: JpegFrame['components'], dataAt: number): JpegScan {
  const count = body[0] ?? 0
  if (count === 0 || body.length !== 4 + 2 * count) throw new Misfit('malformed')
  const scanned = Array.from({ length: count }, (_, c) => {
    const index = components.findIndex(({ id }) => id === body[1 + 2 * c])
    const tables = body[2 + 2 * c]!
    return { index, dc: tables >> 4, ac: tables & 15 }
  })
  if (scanned.some(({ index }) => index === -1)) throw new Misfit('malformed')
  const [start = 0, end = 0, approximation = 0] = body.subarray(1 + 2 * count)
  return { components: scanned, start, end, high: approximation >> 4, low: approximation & 15, dataAt }
}

function readHuffman(
  body: Uint8Array,
  tables: Map<number, { counts: Uint8Array; symbols: Uint8Array }>,
): void {
  for (let at = 0; at < body.length;) {
    const counts = body.slice(at + 1, at + 17)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const symbols = body.slice(at + 17, at + 17 + total)
    if (counts.length !== 16 || symbols.length !== total) throw new Misfit('malformed')
    tables.set(body[at]!, { counts, symbols })
    at += 17 + total
  }
}

function readQuantization(body: Uint8Array, tables: Map<number, Uint16Array>): void {
  for (let at = 0; at < body.length;) {
    const wide = body[at]! >> 4 === 1
    const values = body.subarray(at + 1, at + 1 + (wide ? 128 : 64))
    if (values.length !== (wide ? 128 : 64)) throw new Misfit('malformed')
    const number = body[at]! & 15
    const table = Uint16Array.from({ length: 64 }, (_, i) =>
      wide ? (values[2 * i]! << 8) | values[2 * i + 1]! : values[i]!,
    )
    tables.set(number, table)
    at += 1 + values.length
  }
}

function startsWith(body: Uint8Array, text: string): boolean {
  return String.fromCharCode(...body.subarray(0, text.length)) === text
}
