import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { list } from '../../../../packages/core/src/access/metadata.ts'
import type { Session } from '../../../../packages/core/src/access/session.ts'
import type { SiteOptions } from '../../../../packages/server/src/site.ts'
import { startSiteGrid, type SiteGrid } from '../../site-grid.ts'

/** Long enough to see that nothing is registered before its time, short enough for a test, s. */
export const QUIET_SECONDS = 1

/** A site that registers by itself: its only source with these fields, and these fields of site.json. */
export async function startLiveGrid(
  t: Pick<Test, 'teardown'>,
  o: {
    source?: Record<string, unknown>
    site?: Record<string, unknown>
    options?: SiteOptions
    started?: boolean
  } = {},
): Promise<SiteGrid> {
  const grid = await startSiteGrid(t, { series: [], started: false, ...(o.options && { site: o.options }) })
  await configure(grid, { pollSeconds: 3_600, quietSeconds: QUIET_SECONDS, ...o.source }, o.site)
  if (o.started !== false) await grid.startSite()
  return grid
}

/** Changes site.json; the site reads it at its next start. */
export async function configure(
  grid: Pick<SiteGrid, 'provisioned'>,
  source: Record<string, unknown>,
  site: Record<string, unknown> = {},
): Promise<void> {
  const file = grid.provisioned.site.config
  const config = JSON.parse(await readFile(file, 'utf8'))
  Object.assign(config, site)
  Object.assign(config.sources[0], source)
  await writeFile(file, JSON.stringify(config), { mode: 0o600 })
}

/** GUID and version of everything that the caller sees. */
export async function volumesOf(session: Session): Promise<{ guid: string; version: number }[]> {
  const found: { guid: string; version: number }[] = []
  for await (const { guid, version } of list(session)) found.push({ guid, version })
  return found
}

/** Waits until so many volumes of a version are there. */
export async function untilVolumes(session: Session, count: number, version = 1): Promise<void> {
  await until(async () => {
    const found = await volumesOf(session)
    return found.length === count && found.every((volume) => volume.version === version)
  })
}

/** Waits until a condition holds; a minute at the most, since what is waited for waits itself. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    if (await condition()) return
    await sleep(50)
  }
  throw new Error('it did not happen within a minute')
}
