/** One printed cell; null is an empty one. */
export type Cell = string | number | null | undefined

/**
 * Lines up rows under their headings, two spaces apart; numbers to the right.
 *
 * @param width cut longer lines to so many characters; unlimited when absent
 */
export function table(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  width?: number,
): string {
  const lines = [headings, ...rows.map((row) => row.map(shown))]
  const widths = headings.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  const right = headings.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'))
  const text = lines.map((line) =>
    line
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
  return `${text.map((line) => (width !== undefined && line.length > width ? `${line.slice(0, width - 1)}…` : line)).join('\n')}\n`
}

/** Comma-separated values by RFC 4180; a cell that a spreadsheet would run as a formula is quoted with an apostrophe. */
export function csv(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]) => cells.map((cell) => quoted(cell)).join(',')
  return [headings, ...rows].map((row) => `${line(row)}\r\n`).join('')
}

/** Bytes for people: 1,024 steps, three digits. */
export function readableBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const step = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1)
  const value = bytes / 1024 ** step
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${units[step]}`
}

/** Seconds for people: 0.4 s, 12 s, 3:05 min, 2:10 h. */
export function readableSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')} min`
  return `${Math.floor(whole / 3600)}:${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} h`
}

/** Control characters and line breaks have no business on a terminal. */
function shown(cell: Cell): string {
  return String(cell ?? '').replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '?')
}

function quoted(cell: Cell): string {
  const text = String(cell ?? '')
  const inert =
    typeof cell === 'string' && /^[=+@\t\r-]/.test(text) && !/^-?[\d.]+$/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert
}
