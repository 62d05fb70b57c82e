import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { childCpuSeconds, cpuSeconds, peakMib, resetPeak, type Server } from './process.ts'

/** A program that a user would call; several make one row, one after the other. */
export interface Step {
  readonly command: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
}

/** What one run of a row took. */
export interface Usage {
  readonly wallMs: number
  /** of the programs called, user and system */
  readonly cpuS: number
  /** of the servers that had a part in it */
  readonly serverCpuS: number
  /** of the largest of the programs called (VmHWM) */
  readonly peakMib: number
  /** of each server while it ran, by name */
  readonly serverPeakMib: Readonly<Record<string, number>>
  /** what the last program printed */
  readonly stdout: string
}

/** How often a program is asked for its peak, which is known up to so long before its end, ms. */
const LOOK_MS = 15

/**
 * Runs the steps of a row, with time, CPU and peak memory of the programs and of the servers behind them.
 *
 * @throws when a program ends with another status than 0, with what it said
 */
export async function measure(steps: readonly Step[], servers: readonly Server[] = []): Promise<Usage> {
  for (const { pid } of servers) resetPeak(pid)
  const before = { own: childCpuSeconds(), servers: servers.map(({ pid }) => cpuSeconds(pid)) }
  let peak = 0
  let stdout = ''
  const started = performance.now()
  for (const step of steps) {
    const run = await runStep(step)
    peak = Math.max(peak, run.peakMib)
    stdout = run.stdout
  }
  const wallMs = performance.now() - started
  return {
    ...{ wallMs, stdout, peakMib: peak },
    cpuS: childCpuSeconds() - before.own,
    serverCpuS: servers.reduce((sum, { pid }, i) => sum + cpuSeconds(pid) - before.servers[i]!, 0),
    serverPeakMib: Object.fromEntries(servers.map(({ name, pid }) => [name, peakMib(pid) ?? 0])),
  }
}

async function runStep({ command: [program, ...args], env }: Step) {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let peak = 0
  const look = () => void (peak = Math.max(peak, peakMib(child.pid ?? 0) ?? 0))
  const timer = setInterval(look, LOOK_MS)
  try {
    const ended = once(child, 'close')
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    if (child.exitCode !== 0)
      throw new Error(`${[program, ...args].join(' ')} ended with ${child.exitCode}:\n${stderr}${stdout}`)
    return { peakMib: peak, stdout }
  } finally {
    clearInterval(timer)
  }
}
