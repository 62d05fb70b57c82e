import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { MdmError } from '@mdm/core/errors'

const START_MS = 30_000
const STOP_MS = 8_000
const POLL_MS = 25

/** A server of a demo that runs on its own. */
export interface RunningServer {
  readonly pid: number
  /** where it listens, as it says itself */
  readonly url: string
}

/** The program of the servers, which this package never imports. */
export function serverProgram(): string {
  return join(dirname(createRequire(import.meta.url).resolve('@mdm/server/package.json')), 'bin', 'run.js')
}

/** Runs `mdm-server ARGS` to its end and returns what it printed. @throws MDM_CONFIG with its last line */
export async function runServerCommand(args: readonly string[], signal: AbortSignal): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [serverProgram(), ...args], {
      signal,
      maxBuffer: 1 << 24,
    })
    return stdout
  } catch (cause) {
    signal.throwIfAborted()
    throw new MdmError(
      'MDM_CONFIG',
      `"mdm-server ${args[0]}" failed: ${firstLine((cause as { stderr?: string }).stderr)}`,
      { cause },
    )
  }
}

/**
 * Starts a server that outlives us, in its own process group, and waits until it listens.
 *
 * @param log file for everything it prints
 * @throws MDM_UNREACHABLE when it ends or says nothing for 30 s
 */
export async function startServer(
  args: readonly string[],
  log: string,
  signal: AbortSignal,
): Promise<RunningServer> {
  const out = openSync(log, 'ax', 0o600)
  const child = spawn(process.execPath, [serverProgram(), ...args], {
    detached: true,
    stdio: ['ignore', out, out],
  })
  closeSync(out)
  let ended = false
  child.once('exit', () => (ended = true)).once('error', () => (ended = true))
  child.unref()
  try {
    for (
      const deadline = Date.now() + START_MS;
      Date.now() < deadline;
      await sleep(POLL_MS, undefined, { signal })
    ) {
      const url = listeningUrl(await readFile(log, 'utf8'))
      if (url !== undefined) return { pid: child.pid!, url }
      if (ended)
        throw new MdmError(
          'MDM_UNREACHABLE',
          `"mdm-server ${args[0]}" ended at once: ${firstLine(await readFile(log, 'utf8'))}`,
        )
    }
    throw new MdmError('MDM_UNREACHABLE', `"mdm-server ${args[0]}" does not start to listen`)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** Ends every server of a demo politely, then by force, also one that was started again by hand. Returns their pids. */
export async function stopServers(dir: string): Promise<number[]> {
  const pids = await serversOf(dir)
  // A stopped process hears SIGTERM only once it goes on.
  for (const name of ['SIGTERM', 'SIGCONT'] as const) for (const pid of pids) sendTo(pid, name)
  await untilNone(dir)
  for (const pid of await serversOf(dir)) sendTo(pid, 'SIGKILL')
  await untilNone(dir)
  return pids
}

/** Processes that serve a configuration in this folder: by their command line, since a pid may be another's by now. */
export async function serversOf(dir: string): Promise<number[]> {
  const found = await Promise.all(
    (await allProcesses()).map(async ([pid, args]) => (isServerOf(await args, dir) ? [pid] : [])),
  )
  return found.flat().filter((pid) => pid !== process.pid)
}

function isServerOf(args: readonly string[], dir: string): boolean {
  const config = args[args.indexOf('--config') + 1] ?? ''
  return (
    args.includes('--config') &&
    config.startsWith(`${dir}/`) &&
    args.some((arg) => arg === 'site' || arg === 'keys')
  )
}

async function allProcesses(): Promise<[pid: number, args: Promise<string[]> | string[]][]> {
  if (process.platform === 'linux') {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const args = (pid: string) =>
      readFile(`/proc/${pid}/cmdline`, 'utf8').then(
        (line) => line.split('\0'),
        () => [],
      )
    return pids.map((pid) => [Number(pid), args(pid)])
  }
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,command='], {
    maxBuffer: 1 << 26,
  })
  const lines = stdout.split('\n').map((line) => line.trim().split(/\s+/))
  return lines.map(([pid, ...args]) => [Number(pid), args])
}

async function untilNone(dir: string): Promise<void> {
  for (const deadline = Date.now() + STOP_MS; Date.now() < deadline; await sleep(POLL_MS)) {
    if ((await serversOf(dir)).length === 0) return
  }
}

function sendTo(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended by itself meanwhile.
  }
}

function listeningUrl(log: string): string | undefined {
  return /^\{"listening":"(https:\/\/[^"]+)"/m.exec(log)?.[1]
}

function firstLine(text: string | undefined): string {
  return (
    text
      ?.split('\n')
      .find((line) => line.trim() !== '')
      ?.slice(0, 300) ?? 'no reason given'
  )
}
