import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ProvisionedGrid } from '../packages/server/src/provision/grid.ts'
import type { Installed } from './install.ts'
import { startPeer, type Lifetime } from '../test/fixtures/peers/peer.ts'
import type { Server } from './process.ts'

const run = promisify(execFile)

/** The product's default: 3 of 5. */
const KEY_SERVERS = 5
const THRESHOLD = 3

export interface BenchGrid {
  readonly site: Server
  readonly keyServers: readonly Server[]
  /** The volumes in turn: where the spool holds one, only another one makes it cold again. */
  nextGuid(): string
  /** configuration of the user who gets */
  readonly user: string
}

export interface GridOptions {
  /** of the source, as site.json has it */
  readonly source: string
  readonly quotaBytes: number
  /** options of Node for all servers */
  readonly nodeOptions?: readonly string[]
  /** what else is done with the files before anything is started */
  prepare?(plan: ProvisionedGrid): Promise<void>
}

/** Makes a site with its key servers in an empty folder, starts all of them, and registers what the source holds. */
export async function startGrid(
  t: Lifetime,
  installed: Installed,
  dir: string,
  o: GridOptions,
): Promise<BenchGrid> {
  await rm(dir, { recursive: true, force: true })
  await mkdir(dir, { recursive: true })
  const node = process.execPath
  const counts = ['--key-servers', String(KEY_SERVERS), '--threshold', String(THRESHOLD)]
  const provision = [installed.server, 'provision', 'grid', '--dir', dir, ...counts, '--json']
  const plan = JSON.parse((await run(node, provision)).stdout) as ProvisionedGrid
  await configure(plan.site.config, o)
  await o.prepare?.(plan)
  const serve = async (role: 'keys' | 'site', config: string, name: string): Promise<Server> => {
    const log = join(dir, `${name}.log`)
    const args = [...(o.nodeOptions ?? []), installed.server, role, '--config', config]
    const ready = async () => readFileSync(log, 'utf8').includes('"listening"')
    const { pid } = await startPeer(t, node, args, { log, ready, signal: 'SIGTERM' })
    return { name, pid }
  }
  const keyServers = await Promise.all(
    plan.keyServers.map(({ config }, i) => serve('keys', config, `keys-${i + 1}`)),
  )
  const site = await serve('site', plan.site.config, 'site')
  const { config } = plan.users['admin']!
  const { stdout } = await run(node, [installed.cli, 'register', '--json'], {
    env: { ...process.env, MDM_CONFIG: config },
  })
  const { registered } = JSON.parse(stdout) as { registered: { guid: string }[] }
  let turn = 0
  return {
    ...{ site, keyServers, user: config },
    nextGuid: () => registered[turn++ % registered.length]!.guid,
  }
}

async function configure(file: string, o: GridOptions): Promise<void> {
  const config = JSON.parse(await readFile(file, 'utf8')) as { spool: object; sources: unknown }
  const spool = { ...config.spool, quotaBytes: o.quotaBytes }
  const sources = [{ name: 'pacs', url: o.source, pollSeconds: 0 }]
  await writeFile(file, JSON.stringify({ ...config, spool, sources }, null, 2))
}
