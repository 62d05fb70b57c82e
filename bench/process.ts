import { readFileSync, writeFileSync } from 'node:fs'

/** A server whose part in a row is measured. */
export interface Server {
  readonly name: string
  readonly pid: number
}

/** CPU time of a process and of its children that have ended, seconds (proc(5)). */
export function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / TICKS
}

/** CPU time of our own children that have ended, seconds. */
export function childCpuSeconds(): number {
  const text = readFileSync('/proc/self/stat', 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) / TICKS
}

/** Ticks of a second in /proc; Linux has shown 100 to programs since it began. */
const TICKS = 100

/** Peak of resident memory, MiB (VmHWM); undefined when the process has none any more. */
export function peakMib(pid: number): number | undefined {
  try {
    const match = /VmHWM:\s+([0-9]+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return match === null ? undefined : Number(match[1]) / 1024
  } catch {
    return undefined
  }
}

/** Begins the peak anew at what is resident now. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}
