import type { TimingLine, TimingRow } from '@mdm/core/timing'
import { table } from './output.ts'

/** One step; without start and end it was not needed this time, such as the PACS where a sealed container was there. */
export interface ReportRow {
  readonly name: string
  readonly label: string
  readonly startMs: number | null
  readonly endMs: number | null
  readonly exclusiveMs: number
  readonly percent: number
}

/** A measured get, by the rule of decision 14; what --json shows as `timings`. */
export interface TimingReport {
  readonly totalMs: number
  readonly rows: readonly ReportRow[]
  readonly overlapped: { readonly exclusiveMs: number; readonly percent: number }
  readonly other: { readonly exclusiveMs: number; readonly percent: number }
}

/** Rows of the paper's Figure 4 in its order, by the names client and site measure them under. */
const FIGURE_4: readonly (readonly [name: string, label: string])[] = [
  ['access-control', 'open: access control'],
  ['resolve-surl', 'open: resolve SURL'],
  ['retrieve-key', 'open: SRM get: retrieve key'],
  ['dicom-transaction', 'open: SRM get: DICOM transaction'],
  ['open-overhead', 'open: open overhead'],
  ['client-retrieve-key', 'decryption init: retrieve key'],
  ['init-overhead', 'decryption init: init overhead'],
  ['read', 'read'],
]

/**
 * What the paper has no row for: the disk is waited for when all is decrypted and written, which goes on while it comes; and a get
 * of level 1 over SRM, which knows nothing of what the site does meanwhile.
 */
const OURS: readonly (readonly [name: string, label: string])[] = [
  ['finish', 'sync'],
  ['srm-prepare', 'SRM: prepare'],
  ['srm-wait', 'SRM: wait until ready'],
  ['srm-transfer', 'SRM: transfer'],
]

/** Steps that hold other steps: what none of those fills is the overhead row named. */
const ENCLOSING: Readonly<Record<string, string>> = {
  open: 'open-overhead',
  'decryption-init': 'init-overhead',
}

/**
 * Makes the table of one get. Exclusive time is when a step was the only one unfinished, so all percentages sum to 100.
 *
 * @see paper section 6.2, Figure 4
 */
export async function timingReport(measured: readonly TimingRow[], totalMs: number): Promise<TimingReport> {
  const { exclusiveTimes } = await import('@mdm/core/timing')
  const leaves = measured.filter((row) => ENCLOSING[row.name] === undefined)
  const overheads = measured.flatMap((row) => gaps(row, leaves, ENCLOSING[row.name]))
  const { lines, overlappedMs, otherMs } = exclusiveTimes([...leaves, ...overheads], totalMs)
  const share = (ms: number) => ({ exclusiveMs: ms, percent: totalMs > 0 ? (100 * ms) / totalMs : 0 })
  return { totalMs, rows: rowsOf(lines), overlapped: share(overlappedMs), other: share(otherMs) }
}

/** The table for a person: milliseconds, and the share of the whole. */
export function formatTimings(report: TimingReport): string {
  const ms = (value: number | null) => value?.toFixed(1) ?? '-'
  const percent = (value: number) => `${value.toFixed(1)} %`
  const rows = [
    ...report.rows.map((r) => [r.label, ms(r.startMs), ms(r.endMs), ms(r.exclusiveMs), percent(r.percent)]),
    [
      'overlapped (several at once)',
      '',
      '',
      ms(report.overlapped.exclusiveMs),
      percent(report.overlapped.percent),
    ],
    ['other', '', '', ms(report.other.exclusiveMs), percent(report.other.percent)],
    ['total', ms(0), ms(report.totalMs), ms(report.totalMs), percent(100)],
  ]
  return table(['step', 'start ms', 'end ms', 'alone ms', 'share'], padded(rows))
}

/**
 * Every row of Figure 4, then any other; a step measured in several pieces is one row from first start to last end. A get over SRM
 * takes none of the steps of the figure, so it has its own rows alone.
 */
function rowsOf(lines: readonly TimingLine[]): ReportRow[] {
  const figure = lines.some(({ name }) => name === 'srm-prepare') ? [] : FIGURE_4
  const names = [...figure.map(([name]) => name), ...lines.map((line) => line.name)]
  return [...new Set(names)].map((name) => {
    const pieces = lines.filter((line) => line.name === name)
    const sum = (pick: (line: TimingLine) => number) => pieces.reduce((total, line) => total + pick(line), 0)
    const done = pieces.length > 0
    return {
      name,
      label: [...FIGURE_4, ...OURS].find(([known]) => known === name)?.[1] ?? name,
      startMs: done ? Math.min(...pieces.map((line) => line.startMs)) : null,
      endMs: done ? Math.max(...pieces.map((line) => line.endMs)) : null,
      exclusiveMs: sum((line) => line.exclusiveMs),
      percent: sum((line) => line.percent),
    }
  })
}

/** The parts of an enclosing step that no leaf covers. */
function gaps(outer: TimingRow, leaves: readonly TimingRow[], name: string | undefined): TimingRow[] {
  if (name === undefined) return []
  const rows: TimingRow[] = []
  let from = outer.startMs
  for (const leaf of leaves.toSorted((a, b) => a.startMs - b.startMs)) {
    const to = Math.min(leaf.startMs, outer.endMs)
    if (to > from) rows.push({ name, startMs: from, endMs: to })
    from = Math.max(from, leaf.endMs)
  }
  return from < outer.endMs ? [...rows, { name, startMs: from, endMs: outer.endMs }] : rows
}

/** Numbers as text line up by their ends. */
function padded(rows: readonly string[][]): string[][] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell : cell.padStart(widths[i]!))))
}
