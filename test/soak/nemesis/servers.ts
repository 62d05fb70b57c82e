import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const BIN = resolve(import.meta.dirname, '../../../packages/server/bin/run.js')
const CLOCK = join(import.meta.dirname, 'stepped-clock.ts')

/** One real server process, which can be killed, paused and started again. */
export interface Server {
  readonly name: string
  readonly up: boolean
  /** @throws when it does not listen within a minute */
  start(): Promise<void>
  /** Sends a signal; resolves at once, or for SIGKILL and SIGTERM when the process has ended. */
  signal(signal: NodeJS.Signals): Promise<void>
  /** What it takes now; undefined where it has not run for 10 s. */
  meter(): Promise<{ rssMib: number; fds: number } | undefined>
}

export function serverOf(name: string, kind: 'site' | 'keys', of: { dir: string; config: string }): Server {
  let child: ChildProcess | undefined
  let since = 0
  const alive = () => child !== undefined && child.exitCode === null && child.signalCode === null
  return {
    name,
    get up() {
      return alive()
    },
    async start() {
      const log = join(of.dir, `log-${process.hrtime.bigint()}`)
      const fd = openSync(log, 'a', 0o600)
      child = spawn(process.execPath, ['--import', CLOCK, BIN, kind, '--config', of.config], {
        stdio: ['ignore', fd, fd],
      })
      closeSync(fd)
      since = performance.now()
      for (const end = Date.now() + 60_000; Date.now() < end && alive(); await sleep(50))
        if ((await readFile(log, 'utf8')).includes('"listening"')) return
      throw new Error(`${name} did not start:\n${(await readFile(log, 'utf8')).slice(-2000)}`)
    },
    async signal(signal) {
      if (!alive()) return
      const ends = signal === 'SIGKILL' || signal === 'SIGTERM'
      const ended = ends ? once(child!, 'exit') : undefined
      child!.kill(signal)
      await ended
    },
    async meter() {
      if (!alive() || performance.now() - since < 10_000) return undefined
      try {
        const [status, fds] = await Promise.all([
          readFile(`/proc/${child!.pid}/status`, 'utf8'),
          readdir(`/proc/${child!.pid}/fd`),
        ])
        return { rssMib: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024, fds: fds.length }
      } catch {
        return undefined
      }
    },
  }
}
