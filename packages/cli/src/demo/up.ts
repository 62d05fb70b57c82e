import { existsSync } from 'node:fs'
import { mkdir, readdir, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import { writeDemo, type DemoGrid } from './grid-file.ts'
import { runServerCommand, startServer } from './server-process.ts'
import { stopServers } from './stop-servers.ts'

export interface DemoOptions {
  /** folder with DICOM files; made-up series are written when absent */
  readonly source?: string | undefined
  readonly keyServers: number
  readonly threshold: number
  readonly signal: AbortSignal
}

/** What `mdm-server provision grid --json` prints: configurations that wait for their servers. */
interface Provisioned {
  readonly site: { readonly api: string; readonly dir: string; readonly config: string }
  readonly keyServers: readonly { readonly url: string; readonly dir: string; readonly config: string }[]
  readonly users: DemoGrid['users']
}

/**
 * Makes a whole grid in an empty folder and starts it: CA, users, key servers, site.
 *
 * @throws MDM_CONFLICT when the folder holds something; MDM_UNREACHABLE when a server does not start; none runs then
 */
export async function demoUp(folder: string, o: DemoOptions): Promise<DemoGrid> {
  const dir = await emptyFolder(folder)
  const source = o.source === undefined ? await phantoms(dir, o.signal) : resolve(o.source)
  if (!existsSync(source)) throw new MdmError('MDM_USAGE', 'the folder named by --source does not exist')
  const counts = ['--key-servers', String(o.keyServers), '--threshold', String(o.threshold)]
  const plan = JSON.parse(
    await runServerCommand(
      ['provision', 'grid', '--dir', dir, ...counts, '--source', source, '--json'],
      o.signal,
    ),
  ) as Provisioned
  const start = (role: 'keys' | 'site', config: string, log: string) =>
    startServer([role, '--config', config], join(dir, log), o.signal)
  try {
    const keyServers = await all(plan.keyServers.map((k, i) => start('keys', k.config, `keys-${i + 1}.log`)))
    const site = await start('site', plan.site.config, 'site.log')
    const grid: DemoGrid = {
      dir,
      site: { api: plan.site.api, pid: site.pid, dir: plan.site.dir },
      keyServers: plan.keyServers.map((k, i) => ({ url: k.url, pid: keyServers[i]!.pid, dir: k.dir })),
      users: plan.users,
    }
    await writeDemo(grid)
    return grid
  } catch (error) {
    await stopServers(dir)
    throw error
  }
}

/** The folder under its real name, since process command lines are compared with it. */
async function emptyFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const dir = await realpath(folder)
  if ((await readdir(dir)).length > 0)
    throw new MdmError('MDM_CONFLICT', 'a demo needs an empty folder: this one holds something')
  return dir
}

async function phantoms(dir: string, signal: AbortSignal): Promise<string> {
  const source = join(dir, 'source')
  await runServerCommand(['phantom', '--dir', source], signal)
  return source
}

/** Waits for every start, so that one failure leaves no other starting unseen. */
async function all<T>(starts: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(starts)
  return await Promise.all(starts)
}
