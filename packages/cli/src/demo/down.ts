import { unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DEMO_FILE, readDemo } from './grid-file.ts'
import { stopServers } from './stop-servers.ts'

export interface StoppedDemo {
  readonly dir: string
  readonly stopped: readonly number[]
}

/** Stops every server of a demo; its folder stays, to be looked at or removed. @throws MDM_USAGE */
export async function demoDown(folder: string): Promise<StoppedDemo> {
  const grid = await readDemo(resolve(folder))
  const stopped = await stopServers(grid.dir, [grid.site.pid, ...grid.keyServers.map((k) => k.pid)])
  await unlink(join(grid.dir, DEMO_FILE))
  return { dir: grid.dir, stopped }
}
