import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { register, type FollowedEvent } from '../../packages/core/src/access/register.ts'
import { openSession, type Session } from '../../packages/core/src/access/session.ts'
import { probe } from '../../packages/core/src/grid/probe.ts'
import { loadConfig } from '../../packages/core/src/config.ts'
import type { RegisterQuestion } from '../../packages/core/src/wire/register.ts'
import { writeSeries, type SeriesOptions } from '../../packages/server/src/dicom/dcmjs/write-series.ts'
import { openLog } from '../../packages/server/src/http/log.ts'
import type { Serving } from '../../packages/server/src/http/serve.ts'
import { startKeyServer } from '../../packages/server/src/keys.ts'
import { provisionGrid, type ProvisionedGrid } from '../../packages/server/src/provision/grid.ts'
import { startSite, type SiteOptions } from '../../packages/server/src/site.ts'
import { usePostgres } from '../fixtures/postgres.ts'

export type User = 'admin' | 'physician' | 'scientist' | 'backup' | 'stranger'

/** A site and its key servers in this process, over real sockets, on series that were written for the test. */
export interface SiteGrid {
  readonly dir: string
  /** the site's source */
  readonly source: string
  readonly provisioned: ProvisionedGrid
  as(user: User): Promise<Session>
  stopSite(): Promise<void>
  startSite(o?: SiteOptions): Promise<void>
  stopKeyServer(i: number): Promise<void>
  startKeyServer(i: number): Promise<void>
  /** what the servers logged so far */
  readonly log: string[]
}

export async function startSiteGrid(
  t: Pick<Test, 'teardown'>,
  o: {
    series?: readonly Partial<SeriesOptions>[]
    site?: SiteOptions
    /** the clock of the key servers */
    keys?: Pick<SiteOptions, 'now'>
    started?: boolean
  } = {},
): Promise<SiteGrid> {
  const root = await mkdtemp(join(tmpdir(), 'mdm-site-'))
  const source = join(root, 'source')
  await mkdir(source)
  for (const [i, series] of (o.series ?? [{}]).entries()) await addSeries(source, `s${i}`, series)
  const provisioned = await provisionGrid(join(root, 'grid'), {
    site: 'demo',
    keyServers: 3,
    threshold: 2,
    source,
  })
  await usePostgres(provisioned)
  const lines: string[] = []
  const log = openLog({ destination: { write: (line: string) => void lines.push(line) } })
  const keyServers: (Serving | undefined)[] = []
  const sessions: Session[] = []
  let site: Serving | undefined
  const grid: SiteGrid = {
    ...{ dir: root, source, provisioned, log: lines },
    async as(user) {
      const { config } = provisioned.users[user]!
      const session = await openSession(await loadConfig({ config }))
      sessions.push(session)
      return session
    },
    async stopSite() {
      await site?.stop()
      site = undefined
    },
    async startSite(options) {
      site = await startSite(provisioned.site.config, { log, retryMs: 100, ...o.site, ...options })
    },
    async stopKeyServer(i) {
      await keyServers[i]?.stop()
      keyServers[i] = undefined
    },
    async startKeyServer(i) {
      keyServers[i] = await startKeyServer(provisioned.keyServers[i]!.config, { log, ...o.keys })
    },
  }
  t.teardown(async () => {
    await Promise.all(sessions.map((session) => session.close()))
    await grid.stopSite()
    await Promise.all(keyServers.map((server) => server?.stop()))
    await rm(root, { recursive: true, force: true })
  })
  for (const i of provisioned.keyServers.keys()) await grid.startKeyServer(i)
  await untilServing(await grid.as('admin'))
  if (o.started !== false) await grid.startSite()
  return grid
}

/** Writes one small series, seeded by its name. */
export async function addSeries(source: string, name: string, o: Partial<SeriesOptions> = {}) {
  return await writeSeries(join(source, name), {
    ...{ modality: 'CT', columns: 8, rows: 6, slices: 4, spacing: [1, 1, 2], seed: name },
    voxel: (i, j, k) => 100 * k + 10 * j + i,
    ...o,
  })
}

/** Registers everything, or what is asked for, and gives every event. */
export async function registerAll(
  session: Session,
  question: RegisterQuestion = {},
): Promise<FollowedEvent[]> {
  const events: FollowedEvent[] = []
  for await (const event of register(session, question)) events.push(event)
  return events
}

/** Waits until every key server has heard the others, and so releases shares. */
export async function untilServing({ keyServers }: Session): Promise<void> {
  await until(async () => {
    const looks = await Promise.all(keyServers.map(({ peer }) => probe(peer)))
    return looks.every(({ health }) => health?.status === 'ready')
  })
}

/** Waits until a condition holds; a minute at the most, since a busy machine is slow. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('it did not happen within a minute')
}

/** Gives a site that does not run these sources instead of its folder. */
export async function setSources({ provisioned }: SiteGrid, sources: readonly object[]): Promise<void> {
  const { config } = provisioned.site
  const fields = JSON.parse(await readFile(config, 'utf8')) as object
  await writeFile(config, JSON.stringify({ ...fields, sources }))
}
