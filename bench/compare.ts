import { RATIO_BARS } from './bars.ts'
import type { Usage } from './measure.ts'
import { median, quartiles, type Quartiles } from './statistics.ts'

/** One way to a volume on disk. */
export interface Row {
  readonly name: string
  /** @param turn counts from 0; rows take turns between equal series with it @throws when the result is not right */
  run(turn: number): Promise<Usage>
}

/** Two rows, run in pairs whose order alternates. */
export interface Comparison {
  readonly name: string
  readonly ratio: Quartiles
  readonly ratios: readonly number[]
  /** ours by theirs of CPU seconds, programs and servers together */
  readonly cpuRatio: Quartiles
  /** what the ratio may be at the most; undefined where no bar is set */
  readonly bar?: number
  readonly met?: boolean
}

/** What a row took over all its runs. */
export interface RowSummary {
  readonly name: string
  readonly runs: number
  readonly wallMs: Quartiles
  readonly cpuS: number
  readonly serverCpuS: number
  readonly peakMib: number
  readonly serverPeakMib: Readonly<Record<string, number>>
}

/**
 * Runs pairs of ours and theirs, the first of each pair being the second of the next.
 *
 * @param section whose rows they are; the comparison is called by their names without it
 */
export async function compare(
  section: string,
  ours: Row,
  theirs: Row,
  o: { pairs: number; runs: Runs },
): Promise<Comparison> {
  const name = `${ours.name} / ${theirs.name.replace(`${section}: `, '')}`
  const ratios: number[] = []
  const cpuRatios: number[] = []
  for (let turn = 0; turn < o.pairs; turn++) {
    const order = turn % 2 === 0 ? [ours, theirs] : [theirs, ours]
    const pair = new Map<Row, Usage>()
    for (const row of order) pair.set(row, await o.runs.add(row, turn))
    const [mine, other] = [pair.get(ours)!, pair.get(theirs)!]
    ratios.push(mine.wallMs / other.wallMs)
    cpuRatios.push(allCpu(mine) / allCpu(other))
  }
  const ratio = quartiles(ratios)
  const bar = RATIO_BARS[name]
  return {
    ...{ name, ratio, ratios, cpuRatio: quartiles(cpuRatios) },
    ...(bar === undefined ? {} : { bar, met: ratio.median <= bar }),
  }
}

const allCpu = ({ cpuS, serverCpuS }: Usage): number => Math.max(cpuS + serverCpuS, 0.01)

/** Every run of every row, in order. */
export class Runs {
  readonly #usages = new Map<string, Usage[]>()

  async add(row: Row, turn: number): Promise<Usage> {
    const usage = await row.run(turn)
    const known = this.#usages.get(row.name) ?? []
    this.#usages.set(row.name, [...known, usage])
    return usage
  }

  of(name: string): readonly Usage[] {
    return this.#usages.get(name) ?? []
  }

  summaries(): RowSummary[] {
    return [...this.#usages].map(([name, usages]) => {
      const servers = Object.keys(usages[0]!.serverPeakMib)
      return {
        name,
        runs: usages.length,
        wallMs: quartiles(usages.map((u) => u.wallMs)),
        cpuS: median(usages.map((u) => u.cpuS)),
        serverCpuS: median(usages.map((u) => u.serverCpuS)),
        peakMib: median(usages.map((u) => u.peakMib)),
        serverPeakMib: Object.fromEntries(
          servers.map((server) => [server, median(usages.map((u) => u.serverPeakMib[server]!))]),
        ),
      }
    })
  }
}
