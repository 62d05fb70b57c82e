/** Frames of one object that are known; a series of more planes is not planned. */
export const MAX_FRAMES = 10_000

/** Facts of a frame that are numbers, and how many numbers each is. */
export const NUMBER_FACTS = {
  position: 3,
  orientation: 6,
  pixelSpacing: 2,
  sliceThickness: 1,
  spacingBetweenSlices: 1,
  slope: 1,
  intercept: 1,
  realSlope: 1,
  realIntercept: 1,
  /** stored numbers that the real world mapping covers, as 16 bits without a sign */
  realFirst: 1,
  realLast: 1,
  /** bytes of the table that is there in place of a real slope */
  realTable: 1,
  echo: 1,
  echoTime: 1,
  repetitionTime: 1,
  inversionTime: 1,
  flipAngle: 1,
  bValue: 1,
  gradient: 3,
  time: 1,
  acquisition: 1,
  triggerTime: 1,
  frameTime: 1,
} as const
export type NumberFact = keyof typeof NUMBER_FACTS

/** Facts of a frame that are codes or short names. */
export type TextFact =
  'stack' | 'frameType' | 'component' | 'coil' | 'directionality' | 'dateTime' | 'rescaleType' | 'realUnits'

/** What the functional groups of an object say of its frames, by fact: a frame in it takes tens of bytes, not kilobytes. */
export interface FrameTable {
  /** items that are there for frames; 0 where what is said of them does not make sense */
  readonly frames: number
  /** the numbers of each frame one after the other, or of one frame where they are the same for all; NaN for what is not said */
  readonly numbers: Readonly<Partial<Record<NumberFact, Float64Array>>>
  /** the different texts, '' for none, and which of them each frame has: one where it is the same for all */
  readonly texts: Readonly<
    Partial<Record<TextFact, { readonly different: readonly string[]; readonly of: Uint16Array }>>
  >
}

/** @returns undefined where the frame does not say, or says it malformed */
export function numbersOf(table: FrameTable, fact: NumberFact, frame: number): number[] | undefined {
  const column = table.numbers[fact]
  const width = NUMBER_FACTS[fact]
  const at = column?.length === width ? 0 : frame * width
  const numbers = column?.slice(at, at + width)
  return numbers?.length === width && numbers.every(Number.isFinite) ? [...numbers] : undefined
}

/** @returns undefined where the frame does not say */
export function textOf(table: FrameTable, fact: TextFact, frame: number): string | undefined {
  const column = table.texts[fact]
  const index = column?.of[column.of.length === 1 ? 0 : frame]
  return (index === undefined ? undefined : column?.different[index]) || undefined
}

/** Makes a table frame by frame; of two values for one fact of a frame the first counts. */
export class FrameTableBuilder {
  readonly #shared: FrameTable | undefined
  readonly #numbers = new Map<NumberFact, Float64Array>()
  readonly #texts = new Map<TextFact, { different: Map<string, number>; of: Uint16Array }>()

  /** @param shared what frames say that do not say it themselves */
  constructor(shared?: FrameTable) {
    this.#shared = shared
  }

  setNumbers(fact: NumberFact, frame: number, numbers: readonly number[]): void {
    const width = NUMBER_FACTS[fact]
    const column = roomFor(this.#numbers.get(fact) ?? new Float64Array(0), (frame + 1) * width, NaN)
    this.#numbers.set(fact, column)
    if (Number.isNaN(column[frame * width])) column.set(numbers, frame * width)
  }

  setText(fact: TextFact, frame: number, text: string): void {
    const column = this.#texts.get(fact) ?? { different: new Map([['', 0]]), of: new Uint16Array(0) }
    column.of = roomFor(column.of, frame + 1, 0)
    this.#texts.set(fact, column)
    if (column.of[frame] !== 0) return
    const index = column.different.get(text) ?? column.different.size
    column.different.set(text, index)
    column.of[frame] = index
  }

  build(frames: number): FrameTable {
    const numbers: Partial<Record<NumberFact, Float64Array>> = { ...this.#shared?.numbers }
    const texts: { -readonly [F in TextFact]?: FrameTable['texts'][F] } = { ...this.#shared?.texts }
    for (const [fact, column] of this.#numbers)
      numbers[fact] = trimmed(column, frames, NUMBER_FACTS[fact], NaN, this.#shared?.numbers[fact])
    for (const [fact, { different, of }] of this.#texts)
      texts[fact] = { different: [...different.keys()], of: trimmed(of, frames, 1, 0) }
    return { frames, numbers, texts }
  }
}

/** The same numbers with room for more of them, by halves again, so that a column grows with what is really there. */
function roomFor<A extends Float64Array | Uint16Array>(column: A, length: number, empty: number): A {
  if (column.length >= length) return column
  const grown = new (column.constructor as new (length: number) => A)(
    Math.max(length, column.length * 1.5, 16) | 0,
  )
  grown.fill(empty, column.length)
  grown.set(column)
  return grown
}

/** Exactly the frames that there are, or one where all are the same. */
function trimmed<A extends Float64Array | Uint16Array>(
  column: A,
  frames: number,
  width: number,
  empty: number,
  shared?: A,
): A {
  const exact = roomFor(column, frames * width, empty).slice(0, frames * width) as A
  if (shared?.length === width)
    for (let frame = 0; frame < frames; frame++)
      if (Number.isNaN(exact[frame * width])) exact.set(shared, frame * width)
  for (let i = width; i < exact.length; i++) if (!Object.is(exact[i], exact[i % width])) return exact
  return exact.slice(0, width) as A
}
