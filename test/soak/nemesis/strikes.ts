import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestPostgres } from '../../fixtures/postgres.ts'
import type { Random } from '../../fixtures/random.ts'
import { frozen, stopped } from '../../server/store/outage.ts'
import type { Server } from './servers.ts'

export interface Target {
  readonly site: Server
  readonly keyServers: readonly Server[]
  /** the spool's folder, where it is a file system of its own */
  readonly disk?: string | undefined
  readonly postgres?: TestPostgres | undefined
}

type Strike = (target: Target, random: Random) => Promise<void>

const some = <T>(list: readonly T[], random: Random): T => list[random(list.length)]!

async function killed(server: Server, signal: NodeJS.Signals, downMs: number): Promise<void> {
  await server.signal(signal)
  await sleep(downMs)
  await server.start()
}

async function paused(server: Server, ms: number): Promise<void> {
  await server.signal('SIGSTOP')
  await sleep(ms)
  await server.signal('SIGCONT')
}

/** All that may befall a grid; each strike is over, and mended, when it returns. The last key server is never killed: see meters. */
const STRIKES: Record<string, Strike> = {
  'site killed': ({ site }, random) => killed(site, 'SIGKILL', random(1_500)),
  'site restarted': ({ site }) => killed(site, 'SIGTERM', 0),
  'site paused': ({ site }, random) => paused(site, 500 + random(3_000)),
  'key server killed': ({ keyServers }, random) =>
    killed(some(keyServers.slice(0, -1), random), 'SIGKILL', random(2_500)),
  'key server paused': ({ keyServers }, random) => paused(some(keyServers, random), 500 + random(4_000)),
  'two key servers paused': async ({ keyServers }, random) =>
    void (await Promise.all(keyServers.slice(1).map((server) => paused(server, 500 + random(3_000))))),
  'a clock stepped': async ({ site, keyServers }, random) =>
    void (await some([site, ...keyServers], random).signal('SIGUSR2')),
  'disk full': async ({ disk }, random) => {
    if (disk === undefined) return
    fill(join(disk, 'ballast'))
    await sleep(1_000 + random(3_000))
    rmSync(join(disk, 'ballast'), { force: true })
  },
  'PostgreSQL stopped': async ({ postgres }, random) => {
    if (postgres === undefined) return
    const back = await stopped(postgres)()
    await sleep(random(3_000))
    await back()
  },
  'PostgreSQL hung': async ({ postgres }, random) => {
    if (postgres === undefined) return
    const back = await frozen(postgres)()
    await sleep(random(4_000))
    await back()
  },
}

/** The strikes that can be made here. */
export function strikesOn({ disk, postgres }: Target): string[] {
  return Object.keys(STRIKES).filter(
    (name) =>
      (disk !== undefined || name !== 'disk full') &&
      (postgres !== undefined || !name.startsWith('PostgreSQL')),
  )
}

export async function strike(name: string, target: Target, random: Random): Promise<void> {
  await STRIKES[name]!(target, random)
}

/** Takes every byte that is left; the servers leave other people's files alone. */
function fill(file: string): void {
  const fd = openSync(file, 'w', 0o600)
  const block = Buffer.alloc(64 * 1024, 1)
  try {
    for (;;) writeSync(fd, block)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(fd)
  }
}

/** Makes a folder a file system of its own; false where that is not permitted. */
export function mountSmall(folder: string, mib: number): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,mode=0700`, 'tmpfs', folder], {
      stdio: 'ignore',
    })
    return true
  } catch {
    return false
  }
}

export function unmount(folder: string): void {
  execFileSync('umount', ['-l', folder], { stdio: 'ignore' })
}
