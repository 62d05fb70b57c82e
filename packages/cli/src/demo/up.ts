import { once } from 'node:events'
import { mkdir, readdir, realpath, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import { writeDemo, type DemoGrid } from './grid-file.ts'
import { runServerCommand, startServer } from './server-process.ts'
import { stopServers } from './stop-servers.ts'
import { waitReady } from './wait-ready.ts'

export interface DemoOptions {
  /** folder with DICOM files; made-up series are written when absent */
  readonly source?: string | undefined
  readonly keyServers: number
  readonly threshold: number
  /** register by itself what comes into the folder */
  readonly live?: boolean
  readonly signal: AbortSignal
}

/** What `mdm-server provision grid --json` prints: configurations that wait for their servers. */
interface Provisioned {
  readonly site: { readonly api: string; readonly srm: string; readonly dir: string; readonly config: string }
  readonly keyServers: readonly { readonly url: string; readonly dir: string; readonly config: string }[]
  readonly users: DemoGrid['users']
}

/** Another program may take a port between its choice and its use; that often in a row it is something else. */
const ATTEMPTS = 3

/**
 * Makes a whole grid in an empty folder and starts it: CA, users, key servers, site.
 *
 * @throws MDM_CONFLICT when the folder holds something; MDM_UNREACHABLE when a server does not start; none runs then
 */
export async function demoUp(folder: string, o: DemoOptions): Promise<DemoGrid> {
  const { dir, source } = await claim(folder, o.source)
  const phantoms =
    o.source === undefined ? runServerCommand(['phantom', '--dir', source], o.signal) : Promise.resolve()
  phantoms.catch(() => {})
  for (let attempt = 1; ; attempt++) {
    const plan = await provision(dir, source, o)
    await phantoms
    try {
      return await start(dir, plan, o.signal)
    } catch (error) {
      await stopServers(dir)
      if (attempt === ATTEMPTS || o.signal.aborted || !(await portTaken(plan))) throw error
      for (const name of await readdir(dir))
        if (join(dir, name) !== source) await rm(join(dir, name), { recursive: true })
    }
  }
}

async function provision(dir: string, source: string, o: DemoOptions): Promise<Provisioned> {
  const counts = ['--key-servers', String(o.keyServers), '--threshold', String(o.threshold)]
  const args = ['provision', 'grid', '--dir', dir, ...counts, '--source', source, '--json']
  if (o.live === true) args.push('--live')
  return JSON.parse(await runServerCommand(args, o.signal)) as Provisioned
}

async function start(dir: string, plan: Provisioned, signal: AbortSignal): Promise<DemoGrid> {
  const serve = (role: 'keys' | 'site', config: string, log: string) =>
    startServer([role, '--config', config], join(dir, log), signal)
  const keyServers = await all(plan.keyServers.map((k, i) => serve('keys', k.config, `keys-${i + 1}.log`)))
  const site = await serve('site', plan.site.config, 'site.log')
  await waitReady(plan.users['admin']!.config, signal)
  const grid: DemoGrid = {
    dir,
    site: { api: plan.site.api, srm: plan.site.srm, pid: site.pid, dir: plan.site.dir },
    keyServers: plan.keyServers.map((k, i) => ({ url: k.url, pid: keyServers[i]!.pid, dir: k.dir })),
    users: plan.users,
  }
  await writeDemo(grid)
  return grid
}

/**
 * The folder under its real name, since processes are compared with it, and the folder of images.
 *
 * @throws MDM_CONFLICT when it holds anything but the images
 */
async function claim(folder: string, images: string | undefined): Promise<{ dir: string; source: string }> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const dir = await realpath(folder)
  const source = images === undefined ? join(dir, 'source') : await realpath(images).catch(() => undefined)
  if (source === undefined) throw new MdmError('MDM_USAGE', 'the folder named by --source does not exist')
  if ((await readdir(dir)).some((name) => images === undefined || join(dir, name) !== source)) {
    throw new MdmError('MDM_CONFLICT', 'a demo needs an empty folder: this one holds something')
  }
  if (images === undefined) await mkdir(source, { mode: 0o700 })
  return { dir, source }
}

/** True when somebody listens where one of our servers should, after all of them were stopped. */
async function portTaken(plan: Provisioned): Promise<boolean> {
  const urls = [plan.site.api, plan.site.srm, ...plan.keyServers.map((k) => k.url)].map((url) => new URL(url))
  const answers = urls.map(async ({ hostname, port }) => {
    const socket = connect(Number(port), hostname)
    try {
      await once(socket, 'connect')
      return true
    } catch {
      return false
    } finally {
      socket.destroy()
    }
  })
  return (await Promise.all(answers)).includes(true)
}

/** Waits for every start, so that one failure leaves no other starting unseen. */
async function all<T>(starts: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(starts)
  return await Promise.all(starts)
}
