/** One measured step: milliseconds from the start of the whole request. */
export interface TimingRow {
  readonly name: string
  readonly startMs: number
  readonly endMs: number
}

/** Collects the steps of one request; rows of the paper's Figure 4 and ours use the same clock. */
export class Timing {
  readonly rows: TimingRow[] = []
  readonly #origin = performance.now()

  /** Milliseconds since this timing began. */
  now(): number {
    return performance.now() - this.#origin
  }

  /** Starts a step; call the result once to end it. */
  start(name: string): () => void {
    const startMs = this.now()
    let open = true
    return () => {
      if (open) this.rows.push({ name, startMs, endMs: this.now() })
      open = false
    }
  }

  /** Runs a step and records it whether it succeeds or throws. */
  async measure<T>(name: string, step: () => Promise<T> | T): Promise<T> {
    const end = this.start(name)
    try {
      return await step()
    } finally {
      end()
    }
  }

  /** Adds a server's rows, shifted so that they begin where the request left the client. */
  adopt(rows: readonly TimingRow[], offsetMs: number): void {
    for (const row of rows)
      this.rows.push({ name: row.name, startMs: row.startMs + offsetMs, endMs: row.endMs + offsetMs })
  }
}

/** Writes rows as a Server-Timing header (W3C): duration as `dur`, start as an extra parameter `start`. */
export function formatServerTiming(rows: readonly TimingRow[]): string {
  return rows
    .map((r) => `${r.name};dur=${(r.endMs - r.startMs).toFixed(3)};start=${r.startMs.toFixed(3)}`)
    .join(', ')
}

/** Reads what formatServerTiming wrote; anything else is left out. */
export function parseServerTiming(header: string): TimingRow[] {
  const rows: TimingRow[] = []
  for (const item of header.split(',')) {
    const match = /^\s*([a-z][a-z-]{0,40});dur=([0-9.]{1,16});start=([0-9.]{1,16})\s*$/.exec(item)
    if (match === null) continue
    const startMs = Number(match[3])
    rows.push({ name: match[1]!, startMs, endMs: startMs + Number(match[2]) })
  }
  return rows
}

/** A row of the printed table: exclusive time is when this step was the only thing unfinished (decision 14). */
export interface TimingLine extends TimingRow {
  readonly exclusiveMs: number
  readonly percent: number
}

/**
 * Exclusive times of leaf steps over a whole of `totalMs`: percentages sum to 100 with `overlapped` (two or more at once)
 * and `other` (none).
 */
export function exclusiveTimes(
  rows: readonly TimingRow[],
  totalMs: number,
): { lines: TimingLine[]; overlappedMs: number; otherMs: number } {
  const edges = [
    ...new Set([0, totalMs, ...rows.flatMap((r) => [clamp(r.startMs, totalMs), clamp(r.endMs, totalMs)])]),
  ].sort((a, b) => a - b)
  const exclusive = new Map<TimingRow, number>(rows.map((r) => [r, 0]))
  let overlappedMs = 0
  let otherMs = 0
  for (let i = 0; i + 1 < edges.length; i++) {
    const [from, to] = [edges[i]!, edges[i + 1]!]
    const open = rows.filter((r) => r.startMs <= from && r.endMs >= to)
    if (open.length === 1) exclusive.set(open[0]!, exclusive.get(open[0]!)! + (to - from))
    else if (open.length > 1) overlappedMs += to - from
    else otherMs += to - from
  }
  const lines = rows.map((r) => {
    const exclusiveMs = exclusive.get(r)!
    return { ...r, exclusiveMs, percent: totalMs > 0 ? (100 * exclusiveMs) / totalMs : 0 }
  })
  return { lines, overlappedMs, otherMs }
}

function clamp(ms: number, totalMs: number): number {
  return Math.min(Math.max(ms, 0), totalMs)
}
