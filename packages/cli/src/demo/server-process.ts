import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { MdmError } from '@mdm/core/errors'

const START_MS = 30_000
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
