import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { openVolume } from '@mdm/core/access/decrypt'
import { list } from '@mdm/core/access/metadata'
import { openSession, type Session } from '@mdm/core/access/session'
import { loadConfig } from '@mdm/core/config'
import type { Guid } from '@mdm/core/names'
import { provisionGrid } from '@mdm/server/provision/grid'
import { startPostgres, usePostgres } from '../../fixtures/postgres.ts'
import { generator } from '../../fixtures/random.ts'
import { auditViolations, siteRows, violations } from '../../server/register/invariants.ts'
import type { SiteGrid } from '../../server/site-grid.ts'
import { Ledger } from './ledger.ts'
import { load, register } from './load.ts'
import { meter, type Trend } from './meters.ts'
import { serverOf, type Server } from './servers.ts'
import { mountSmall, strike, strikesOn, unmount, type Target } from './strikes.ts'

export interface NemesisOptions {
  readonly seconds: number
  readonly seed: number
  readonly postgres?: boolean
  /** the load alone, and nothing befalls the grid */
  readonly calm?: boolean
  /** told of each strike */
  readonly tell?: (line: string) => void
}

export interface Report {
  readonly violations: readonly string[]
  readonly counts: Readonly<Record<string, number>>
  readonly strikes: Readonly<Record<string, number>>
  readonly volumes: number
  readonly trends: readonly Trend[]
}

/** A run of so many seconds says something of growth. */
const LONG_S = 300
/** Volumes whose keys are looked for in every file. */
const LOOKED_AT = 30
const SPOOL_MIB = 48
const LARGE = { columns: 256, rows: 256, slices: 48 }
const SMALL = { columns: 64, rows: 48, slices: 8 }

/** A grid of real processes under load, struck every few seconds; then everything is mended and looked at. */
export async function runNemesis(o: NemesisOptions): Promise<Report> {
  const closers: (() => unknown)[] = []
  const teardown = (close: () => unknown) => void closers.unshift(close)
  try {
    return await run(o, { teardown } as Pick<Test, 'teardown'> as Test)
  } finally {
    for (const close of closers) await close()
  }
}

async function run(o: NemesisOptions, t: Test): Promise<Report> {
  const root = await mkdtemp(join(tmpdir(), 'mdm-nemesis-'))
  t.teardown(() => rm(root, { recursive: true, force: true, maxRetries: 5 }))
  const source = join(root, 'source')
  await mkdir(source)
  const postgres = o.postgres === true ? await startPostgres(t) : undefined
  if (o.postgres === true && postgres === undefined) throw new Error('PostgreSQL is not installed')
  const provisioned = await provisionGrid(join(root, 'grid'), {
    site: 'demo',
    keyServers: 3,
    threshold: 2,
    source,
  })
  if (postgres !== undefined) process.env.MDM_TEST_POSTGRES = postgres.create()
  await usePostgres(provisioned)
  const disk = join(provisioned.site.dir, 'spool')
  const mounted = mountSmall(disk, SPOOL_MIB)
  if (mounted) t.teardown(() => unmount(disk))
  await setQuota(provisioned.site.config, (SPOOL_MIB - 4) * 1024 * 1024)

  const site = serverOf('site', 'site', provisioned.site)
  const keyServers = provisioned.keyServers.map((of, i) => serverOf(`key server ${i + 1}`, 'keys', of))
  const servers = [...keyServers, site]
  t.teardown(() => Promise.all(servers.map((server) => server.signal('SIGKILL'))))
  for (const server of servers) await server.start()

  const as = async (user: 'admin' | 'stranger'): Promise<Session> =>
    await openSession(await loadConfig({ config: provisioned.users[user]!.config }))
  const admin = await as('admin')
  t.teardown(() => admin.close())
  const ledger = new Ledger(source)
  for (const shape of [LARGE, SMALL, SMALL]) await ledger.addSeries(shape)
  await register(admin, ledger)

  const dir = join(root, 'clients')
  await mkdir(dir)
  const until = performance.now() + o.seconds * 1000
  const running = () => performance.now() < until
  const meters = meter(servers)
  const target: Target = { site, keyServers, disk: mounted ? disk : undefined, postgres }
  const strikes: Record<string, number> = {}
  await Promise.all([
    load({ ledger, as, dir, random: generator(o.seed), running }),
    o.calm === true ? undefined : nemesis(target, { ...o, running, strikes, ledger }),
  ])
  const trends = meters.stop()
  if (o.seconds >= LONG_S) for (const trend of trends) requireFlat(trend, ledger)
  await mended(servers)
  const volumes = await lookAt(ledger, admin, { provisioned } as SiteGrid, site)
  return { violations: ledger.violations, counts: ledger.counts, strikes, volumes, trends }
}

async function nemesis(
  target: Target,
  o: NemesisOptions & { running(): boolean; strikes: Record<string, number>; ledger: Ledger },
): Promise<void> {
  const random = generator(o.seed + 1)
  let left: string[] = []
  await sleep(2_000)
  while (o.running()) {
    // Every strike once before any comes twice.
    if (left.length === 0) left = strikesOn(target)
    const [name] = left.splice(random(left.length), 1)
    o.strikes[name!] = (o.strikes[name!] ?? 0) + 1
    o.tell?.(name!)
    await strike(name!, target, random).catch((error: unknown) =>
      o.ledger.violation(`${name}: ${String(error)}`),
    )
    await sleep(2_000 + random(2_500))
  }
}

/** What a server takes must not grow with the time it runs, though there are more volumes. */
function requireFlat({ server, rssMib, fds }: Trend, ledger: Ledger): void {
  if (rssMib[1] > 1.3 * rssMib[0] + 30)
    ledger.violation(`${server}: memory grows, ${rssMib.join(' -> ')} MiB`)
  if (fds[1] > fds[0] + 50) ledger.violation(`${server}: descriptors grow, ${fds.join(' -> ')}`)
}

/** Everything runs and answers again; a strike mends the disk and the database itself. */
async function mended(servers: readonly Server[]): Promise<void> {
  for (const server of servers) {
    await server.signal('SIGCONT')
    if (!server.up) await server.start()
  }
}

/** Nothing lost, nothing doubled, every volume right, and the invariants of FLOW 1. */
async function lookAt(ledger: Ledger, admin: Session, grid: SiteGrid, site: Server): Promise<number> {
  await soon('the last registration', () => register(admin, ledger))
  await soon(
    'the journal',
    async () => siteRows(grid, `select 1 from journal where state in ('PENDING', 'WAITING')`).length === 0,
  )
  await soon('attempts', async () => siteRows(grid, 'select kid from attempts').length === 0)
  await soon('the outbox', async () => siteRows(grid, 'select event_id from outbox').length === 0)
  const rows = new Map<Guid, string>()
  for await (const { guid, lfn } of list(admin)) rows.set(guid, lfn)
  for (const [guid, lfn] of ledger.acknowledged)
    if (rows.get(guid) !== lfn) ledger.violation(`lost: ${guid} was acknowledged`)
  if (rows.size !== ledger.series) ledger.violation(`${rows.size} volumes of ${ledger.series} series`)
  for (const guid of rows.keys()) {
    const volume = await openVolume(admin, { guid })
    ledger.check(guid, await volume.read(volume.headerBytes, volume.plaintextBytes - volume.headerBytes))
    await volume.close()
  }
  // A search of every file for a key takes long: of many volumes, only some keys are looked for.
  const known = new Set([...rows.keys()].slice(LOOKED_AT))
  for (const what of await violations(grid, admin, ledger.series, known)) ledger.violation(what)
  await site.signal('SIGTERM')
  for (const what of await auditViolations(grid, [...rows.keys()])) ledger.violation(what)
  return rows.size
}

async function setQuota(config: string, quotaBytes: number): Promise<void> {
  const fields = JSON.parse(await readFile(config, 'utf8')) as { spool: object }
  await writeFile(config, JSON.stringify({ ...fields, spool: { ...fields.spool, quotaBytes } }))
}

async function soon(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(250))
    if (await holds().catch(() => false)) return
  throw new Error(`${what} did not end within a minute`)
}
