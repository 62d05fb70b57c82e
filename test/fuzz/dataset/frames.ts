/** Functional groups of very many frames, sound and otherwise, byte by byte: a library takes minutes to write them. */
import type { Encoding } from '@mdm/server/dicom/part10/encoding'
import { element, EXPLICIT, ITEM, ITEM_END, mark, SEQUENCE_END } from './write.ts'

const UNDEFINED = 0xffffffff

export interface GroupsOptions {
  encoding?: Encoding
  /** sequences and items end with a delimiter, not after a length */
  delimited?: boolean
  /** bytes of private elements in each frame */
  ballast?: number
}

/** One item of a sequence that holds it. */
export function sequence(
  tag: number,
  items: readonly Buffer[],
  { encoding = EXPLICIT, delimited = false }: GroupsOptions = {},
): Buffer {
  const content = items.map((item) =>
    delimited
      ? Buffer.concat([mark(ITEM, encoding, UNDEFINED), item, mark(ITEM_END, encoding)])
      : Buffer.concat([mark(ITEM, encoding, item.length), item]),
  )
  const bytes = Buffer.concat(content)
  if (!delimited) return element(tag, 'SQ', bytes, encoding)
  return Buffer.concat([element(tag, 'SQ', '', encoding, UNDEFINED), bytes, mark(SEQUENCE_END, encoding)])
}

/** What scanners say of frame k: 60 slices a volume, 2 mm apart. */
export function frameItem(k: number, o: GroupsOptions = {}): Buffer {
  const { encoding = EXPLICIT, ballast = 0 } = o
  const text = (tag: number, vr: string, value: string): Buffer =>
    element(tag, vr, value.padEnd(value.length + (value.length % 2)), encoding)
  const real = (tag: number, ...values: number[]): Buffer => {
    const bytes = Buffer.alloc(8 * values.length)
    values.forEach((value, i) =>
      encoding.bigEndian ? bytes.writeDoubleBE(value, 8 * i) : bytes.writeDoubleLE(value, 8 * i),
    )
    return element(tag, 'FD', bytes, encoding)
  }
  const index = Buffer.alloc(4)
  const time = 1 + Math.floor(k / 60)
  if (encoding.bigEndian) index.writeUInt32BE(time)
  else index.writeUInt32LE(time)
  return Buffer.concat([
    sequence(0x00189114, [real(0x00189082, 30.5)], o),
    sequence(0x00189117, [real(0x00189087, 1000)], o),
    sequence(
      0x00209111,
      [
        Buffer.concat([
          text(0x00189074, 'DT', `20200102${String(100_000 + k)}.25`),
          text(0x00209056, 'SH', '1'),
          element(0x00209128, 'UL', index, encoding),
        ]),
      ],
      o,
    ),
    sequence(0x00209113, [text(0x00200032, 'DS', `-100.5\\-120.25\\${2 * (k % 60)}`)], o),
    sequence(0x00209116, [text(0x00200037, 'DS', '1\\0\\0\\0\\1\\0')], o),
    sequence(
      0x00289110,
      [Buffer.concat([text(0x00180050, 'DS', '2'), text(0x00280030, 'DS', '1.5\\1.5')])],
      o,
    ),
    sequence(
      0x00289145,
      [
        Buffer.concat([
          text(0x00281052, 'DS', '0'),
          text(0x00281053, 'DS', String(1 + (k % 7))),
          text(0x00281054, 'LO', 'US'),
        ]),
      ],
      o,
    ),
    ...(ballast > 0
      ? [sequence(0x2005140f, [element(0x20051000, 'UN', Buffer.alloc(ballast), encoding)], o)]
      : []),
  ])
}

/** Frames that are written; those after them say the same again. */
export const DIFFERENT_FRAMES = 420

/** Per-frame functional groups of so many frames. */
export function frameGroups(frames: number, o: GroupsOptions = {}): Buffer {
  const different = Array.from({ length: Math.min(frames, DIFFERENT_FRAMES) }, (_, k) => frameItem(k, o))
  return sequence(
    0x52009230,
    Array.from({ length: frames }, (_, k) => different[k % DIFFERENT_FRAMES]!),
    o,
  )
}
