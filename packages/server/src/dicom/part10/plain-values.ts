/** DS and IS are at most 16 characters; scanners write up to 30. */
const MAX_NUMBER_LENGTH = 64

/** Without control characters but those of lines: a database refuses NUL, and a terminal obeys some of the others. */
export function printable(text: string): string {
  return text.replace(/(?![\t\n\r])\p{Cc}/gu, '')
}

/** Without spaces before, and without spaces and zeros behind: in one pass, which a regular expression does not promise. */
export function trim(text: string): string {
  let [from, to] = [0, text.length]
  while (text[from] === ' ') from++
  while (to > from && (text[to - 1] === ' ' || text[to - 1] === '\0')) to--
  return text.slice(from, to)
}

/** Numbers of 8 bytes, or of 4 where there is room for those alone. */
export function realsAt(bytes: Buffer, count: number, bigEndian: boolean): number[] | undefined {
  const width = bytes.length / count
  if (width !== 8 && width !== 4) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: count }, (_, i) =>
    width === 8 ? view.getFloat64(i * 8, !bigEndian) : view.getFloat32(i * 4, !bigEndian),
  )
}

/** @returns undefined unless all are finite decimal strings */
export function decimals(texts: readonly string[]): number[] | undefined {
  if (!texts.every(isDecimal)) return undefined
  const numbers = texts.map((text) => Number(text) + 0)
  return numbers.every(Number.isFinite) ? numbers : undefined
}

/** Decimal string, also longer than the 16 characters DICOM allows: scanners write those. */
function isDecimal(text: string): boolean {
  return text.length <= MAX_NUMBER_LENGTH && /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)
}
