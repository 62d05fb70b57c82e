import { FrameTableBuilder, MAX_FRAMES, NUMBER_FACTS } from '../frame-table.ts'
import type { FrameTable, NumberFact, TextFact } from '../frame-table.ts'
import { PER_FRAME_GROUPS, type Elements } from './elements.ts'
import { IMPLICIT, unsigned16, unsigned32, type Span } from './encoding.ts'
import { readItems, type Value, type Wanted } from './items.ts'
import { decimals, printable, realsAt, trim } from './plain-values.ts'
import type { Steps } from './steps.ts'

const SHARED_GROUPS = 'x52009229'
/** Codes and names of 64 characters, and image types of five of 16. */
const MAX_TEXT_BYTES = 96
/** Up to six decimal strings. */
const MAX_NUMBERS_BYTES = 400

/** How a value is written: DS or IS, FD, US, UL, text; `size` is that of the value itself. */
type Kind = 'decimal' | 'real' | 'u16' | 'u32' | 'text' | 'size'
type Fact = readonly [fact: NumberFact | TextFact, kind: Kind]

const frameType: Wanted<Fact> = new Map([
  [0x00089007, ['frameType', 'text']],
  [0x00089208, ['component', 'text']],
])

/** Attributes of the classic object that a legacy converted one was (PS3.3 C.7.6.16.2.25, .26). */
const converted: Wanted<Fact> = new Map<number, Fact>([
  [0x00180080, ['repetitionTime', 'decimal']],
  [0x00180081, ['echoTime', 'decimal']],
  [0x00180082, ['inversionTime', 'decimal']],
  [0x00180086, ['echo', 'decimal']],
  [0x00181060, ['triggerTime', 'decimal']],
  [0x00181250, ['coil', 'text']],
  [0x00181314, ['flipAngle', 'decimal']],
  [0x00189087, ['bValue', 'real']],
  [0x00200012, ['acquisition', 'decimal']],
  [0x00200100, ['time', 'decimal']],
  [0x00541300, ['frameTime', 'decimal']],
])

/** The functional groups that are read, and what of each (PS3.3 C.7.6.16.2, C.8.13.5, C.8.15.3, C.8.22.5). */
const GROUPS: Wanted<Fact> = new Map<number, Fact | Wanted<Fact>>([
  [0x00189042, new Map([[0x00181250, ['coil', 'text']]])],
  [
    0x00189112,
    new Map([
      [0x00180080, ['repetitionTime', 'decimal']],
      [0x00181314, ['flipAngle', 'decimal']],
    ]),
  ],
  [0x00189114, new Map([[0x00189082, ['echoTime', 'real']]])],
  [0x00189115, new Map([[0x00189079, ['inversionTime', 'real']]])],
  [
    0x00189117,
    new Map<number, Fact | Wanted<Fact>>([
      [0x00189075, ['directionality', 'text']],
      [0x00189076, new Map([[0x00189089, ['gradient', 'real']]])],
      [0x00189087, ['bValue', 'real']],
    ]),
  ],
  [0x00189118, new Map([[0x00209153, ['triggerTime', 'real']]])],
  [0x00189226, frameType],
  [0x00189329, frameType],
  [0x00189751, frameType],
  [
    0x00209111,
    new Map([
      [0x00189074, ['dateTime', 'text']],
      [0x00209056, ['stack', 'text']],
      [0x00209128, ['time', 'u32']],
      [0x00209156, ['acquisition', 'u16']],
    ]),
  ],
  [0x00209113, new Map([[0x00200032, ['position', 'decimal']]])],
  [0x00209116, new Map([[0x00200037, ['orientation', 'decimal']]])],
  [0x00209170, converted],
  [0x00209171, converted],
  [
    0x00289110,
    new Map([
      [0x00180050, ['sliceThickness', 'decimal']],
      [0x00180088, ['spacingBetweenSlices', 'decimal']],
      [0x00280030, ['pixelSpacing', 'decimal']],
    ]),
  ],
  [
    0x00289145,
    new Map([
      [0x00281052, ['intercept', 'decimal']],
      [0x00281053, ['slope', 'decimal']],
      [0x00281054, ['rescaleType', 'text']],
    ]),
  ],
  [
    0x00409096,
    new Map<number, Fact | Wanted<Fact>>([
      [0x004008ea, new Map([[0x00080100, ['realUnits', 'text']]])],
      [0x00409211, ['realLast', 'u16']],
      [0x00409212, ['realTable', 'size']],
      [0x00409216, ['realFirst', 'u16']],
      [0x00409224, ['realIntercept', 'real']],
      [0x00409225, ['realSlope', 'real']],
    ]),
  ],
])

/**
 * What the functional groups of an enhanced object say of its frames: of each, and where it says nothing, of all.
 *
 * @returns undefined for an object without them; a table of 0 frames where they do not make sense up to their end
 * @see DICOM PS3.3 C.7.6.16
 */
export function* readFrameTable({ start, byTag }: Elements): Steps<FrameTable | undefined> {
  const spanOf = (tag: string): Span | undefined => {
    const head = byTag.get(tag)
    if (head === undefined) return undefined
    return { dataOffset: head.dataOffset, length: head.length, items: head.vr === 'UN' ? IMPLICIT : start }
  }
  const [shared, perFrame] = [spanOf(SHARED_GROUPS), spanOf(PER_FRAME_GROUPS)]
  if (shared === undefined && perFrame === undefined) return undefined
  const nothing: FrameTable = { frames: 0, numbers: {}, texts: {} }
  const forAll = shared && (yield* readTable(start.bytes, shared, 1))
  if (shared !== undefined && forAll === undefined) return nothing
  return (perFrame && (yield* readTable(start.bytes, perFrame, MAX_FRAMES, forAll))) ?? nothing
}

/** @returns undefined when it does not make sense, or there are more than `most` items */
function* readTable(
  bytes: Buffer,
  span: Span,
  most: number,
  shared?: FrameTable,
): Steps<FrameTable | undefined> {
  const builder = new FrameTableBuilder(shared)
  let frame = 0
  const items = yield* readItems<Fact>(bytes, span, {
    wanted: GROUPS,
    item: (index) => (frame = index) < most,
    value: (fact, value) => take(builder, frame, fact, value),
  })
  return items === undefined || items > most ? undefined : builder.build(items)
}

/** What is malformed is not said. */
function take(builder: FrameTableBuilder, frame: number, [fact, kind]: Fact, value: Value): void {
  if (kind === 'text') {
    const text = value.to - value.from <= MAX_TEXT_BYTES ? textAt(value) : ''
    if (text !== '') builder.setText(fact as TextFact, frame, printable(text))
    return
  }
  const numbers = numbersAt(value, kind, NUMBER_FACTS[fact as NumberFact])
  if (numbers?.every(Number.isFinite)) builder.setNumbers(fact as NumberFact, frame, numbers)
}

function textAt({ bytes, from, to }: Value): string {
  return trim(bytes.toString('latin1', from, to))
}

function numbersAt(value: Value, kind: Exclude<Kind, 'text'>, count: number): readonly number[] | undefined {
  const { bytes, from, to, bigEndian } = value
  if (kind === 'size') return [to - from]
  if (kind === 'real') return realsAt(bytes.subarray(from, to), count, bigEndian)
  if (kind === 'u16') return to - from === 2 ? [unsigned16(bytes, from, bigEndian)] : undefined
  if (kind === 'u32') return to - from === 4 ? [unsigned32(bytes, from, bigEndian)] : undefined
  if (to - from > MAX_NUMBERS_BYTES) return undefined
  const texts = textAt(value).split('\\').map(trim)
  return texts.length === count ? decimals(texts) : undefined
}
