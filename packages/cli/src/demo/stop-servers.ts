import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const STOP_MS = 8_000
const POLL_MS = 25

/**
 * Ends every server of a demo politely, then by force, also one that was started again by hand.
 *
 * @param dir   real path of the demo's folder
 * @param known pids that were written down; each is looked at before it is touched, since it may be another's by now
 * @returns the pids that were ended
 */
export async function stopServers(dir: string, known: readonly number[] = []): Promise<number[]> {
  const pids = await serversOf(dir, known)
  // A stopped process hears SIGTERM only once it goes on.
  for (const name of ['SIGTERM', 'SIGCONT'] as const) for (const pid of pids) sendTo(pid, name)
  await untilNone(dir, pids)
  for (const pid of await serversOf(dir, pids)) sendTo(pid, 'SIGKILL')
  await untilNone(dir, pids)
  return pids
}

/** Processes that serve a configuration in this folder. */
export async function serversOf(dir: string, known: readonly number[] = []): Promise<number[]> {
  const linux = process.platform === 'linux'
  const pids = linux ? (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number) : known
  const found = await Promise.all(
    pids.map(async (pid) => ((await (linux ? serves : seems)(pid, dir)) ? [pid] : [])),
  )
  return found.flat().filter((pid) => pid !== process.pid)
}

/** By its command line; a server that changed its title is known by its name and the files it holds open. */
async function serves(pid: number, dir: string): Promise<boolean> {
  const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
  const config = args.includes('--config') ? args[args.indexOf('--config') + 1] : undefined
  if (config?.startsWith(`${dir}/`) && args.some((arg) => arg === 'site' || arg === 'keys')) return true
  if (!/^mdm-(site|keys)/.test(args[0]!)) return false
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const files = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
  return files.some((file) => file.startsWith(`${dir}/`))
}

/** Where there is no /proc, a pid that was written down and still has a server's name. */
async function seems(pid: number, dir: string): Promise<boolean> {
  const line = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).then(
    ({ stdout }) => stdout,
    () => '',
  )
  return /^mdm-(site|keys)/.test(line) || line.includes(`--config ${dir}/`)
}

async function untilNone(dir: string, known: readonly number[]): Promise<void> {
  for (const deadline = Date.now() + STOP_MS; Date.now() < deadline; await sleep(POLL_MS)) {
    if ((await serversOf(dir, known)).length === 0) return
  }
}

function sendTo(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended by itself meanwhile.
  }
}
