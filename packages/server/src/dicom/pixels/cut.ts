import { MdmError } from '@mdm/core/errors'
import { unsigned32 } from '../part10/index.ts'
import type { InstanceHeader } from '../source.ts'
import type { Encapsulated, Span } from './fragments.ts'
import type { StoredBytes } from './stored-bytes.ts'
import { codingOf, type Coding } from './transfer-syntaxes.ts'

/** What a compressed image begins with; an RLE one begins with no mark. */
const JPEG = [[0xff, 0xd8, 0xff]]
const JPEG_2000 = [
  [0xff, 0x4f, 0xff, 0x51],
  // wrapped as a JP2 file
  [0, 0, 0, 12, 0x6a, 0x50, 0x20, 0x20],
]
const MARKS: Partial<Record<Coding, readonly (readonly number[])[]>> = {
  jpeg: JPEG,
  'jpeg-lossless': JPEG,
  'jpeg-ls': JPEG,
  'jpeg-2000': JPEG_2000,
  htj2k: JPEG_2000,
}

const MARK_BYTES = 8

/** A fragment, where its item begins from the first one, and whether an image begins in it. */
interface Piece extends Span {
  readonly offset: number
  readonly begins: boolean
}

/**
 * Which fragments each frame is made of. Tables, counts and the marks that images begin with must say the same, as far as
 * they are there: an object that two readers could cut differently is refused.
 *
 * @returns for each frame its fragments, in order
 * @throws MDM_PIXELS
 * @see DICOM PS3.5 section A.4, PS3.3 section C.7.6.3.1.8 (extended offset table)
 */
export async function cutFrames(
  bytes: StoredBytes,
  header: InstanceHeader,
  { table, fragments }: Encapsulated,
): Promise<Span[][]> {
  const { frames } = header
  const marks = MARKS[codingOf(header.transferSyntax) ?? 'native']
  const first = fragments[0]!.start
  const pieces: Piece[] = []
  for (const span of fragments)
    pieces.push({ ...span, offset: span.start - first, begins: await beginsWith(bytes, span, marks) })

  const offsets = await basicTable(bytes, table)
  const extended = header.pixelData?.offsetTable
  const starts = extended === undefined ? offsets : await extendedTable(bytes, extended, pieces)
  if (extended !== undefined && offsets.length > 0) throw disagree()
  const frameStarts = starts.length > 0 ? starts : guessed(pieces, frames, marks !== undefined)
  const cut = cutAt(pieces, frameStarts)
  const marked = cut.every((group) => group.every(({ begins }, i) => begins === (i === 0)))
  if (cut.length !== frames || (marks !== undefined && !marked)) throw disagree()
  return cut
}

/** Without a table: one fragment a frame, all of them for the only one, or cut where an image begins. */
function guessed(pieces: readonly Piece[], frames: number, marked: boolean): number[] {
  if (pieces.length === frames) return pieces.map(({ offset }) => offset)
  if (frames === 1 && marked) return [0]
  if (!marked) throw disagree()
  return pieces.filter(({ begins }) => begins).map(({ offset }) => offset)
}

/** @throws MDM_PIXELS unless the starts are those of fragments, from the first on, in order */
function cutAt(pieces: readonly Piece[], starts: readonly number[]): Piece[][] {
  const groups: Piece[][] = []
  let next = 0
  for (const piece of pieces) {
    if (piece.offset === starts[next]) {
      groups.push([])
      next++
    }
    const group = groups.at(-1)
    if (group === undefined) throw disagree()
    group.push(piece)
  }
  if (next !== starts.length) throw disagree()
  return groups
}

async function beginsWith(
  bytes: StoredBytes,
  { start, end }: Span,
  marks: readonly (readonly number[])[] | undefined,
): Promise<boolean> {
  if (marks === undefined || end - start < MARK_BYTES) return false
  const head = await bytes.read(start, start + MARK_BYTES)
  return marks.some((mark) => mark.every((byte, i) => head[i] === byte))
}

async function basicTable(bytes: StoredBytes, { start, end }: Span): Promise<number[]> {
  if ((end - start) % 4 !== 0) throw disagree()
  const table = await bytes.read(start, end)
  return Array.from({ length: table.length / 4 }, (_, i) => unsigned32(table, 4 * i, false))
}

/** Each frame is one fragment then, as long as the second table says but for its padding. */
async function extendedTable(
  bytes: StoredBytes,
  { offsets, lengths }: { offsets: Span; lengths: Span },
  pieces: readonly Piece[],
): Promise<number[]> {
  const [starts, sizes] = [await longs(bytes, offsets), await longs(bytes, lengths)]
  const fits = pieces.every(({ start, end }, i) => {
    const padding = end - start - (sizes[i] ?? -1)
    return padding === 0 || padding === 1
  })
  if (starts.length !== pieces.length || sizes.length !== pieces.length || !fits) throw disagree()
  return starts
}

async function longs(bytes: StoredBytes, { start, end }: Span): Promise<number[]> {
  if (start > end || end > bytes.length || (end - start) % 8 !== 0) throw disagree()
  const table = await bytes.read(start, end)
  return Array.from({ length: table.length / 8 }, (_, i) => Number(table.readBigUInt64LE(8 * i)))
}

function disagree(): MdmError {
  const why = 'their count, their offset table and where images begin do not say the same'
  return new MdmError('MDM_PIXELS', `compressed frames can be cut in more than one way: ${why}`)
}
