import type { Server } from './servers.ts'

interface Sample {
  readonly at: number
  readonly rssMib: number
  readonly fds: number
}

/** Medians of one server over the first and the last third of a run. */
export interface Trend {
  readonly server: string
  readonly rssMib: readonly [first: number, last: number]
  readonly fds: readonly [first: number, last: number]
}

/** What servers take, once a second. */
export function meter(servers: readonly Server[]): { stop(): Trend[] } {
  const samples = new Map<string, Sample[]>(servers.map(({ name }) => [name, []]))
  const begun = performance.now()
  const timer = setInterval(() => {
    for (const server of servers) {
      void server.meter().then((now) => {
        if (now !== undefined) samples.get(server.name)!.push({ at: performance.now() - begun, ...now })
      })
    }
  }, 1_000)
  return {
    stop() {
      clearInterval(timer)
      const third = (performance.now() - begun) / 3
      return [...samples].map(([server, all]) => {
        const first = all.filter(({ at }) => at < third)
        const last = all.filter(({ at }) => at > 2 * third)
        const both = (of: (s: Sample) => number) => [median(first.map(of)), median(last.map(of))] as const
        return { server, rssMib: both((s) => s.rssMib), fds: both((s) => s.fds) }
      })
    },
  }
}

function median(values: readonly number[]): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN)
}
