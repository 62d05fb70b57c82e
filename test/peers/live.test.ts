import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { list, query } from '../../packages/core/src/access/metadata.ts'
import { openSession, type Session } from '../../packages/core/src/access/session.ts'
import { loadConfig } from '../../packages/core/src/config.ts'
import { writeSeries } from '../../packages/server/src/dicom/dcmjs/write-series.ts'
import { startGrid, type Grid } from '../fixtures/grid.ts'
import { startOrthanc, type Orthanc } from '../fixtures/peers/orthanc.ts'
import { freePort } from '../fixtures/peers/peer.ts'
import { gone, startSite } from '../fixtures/site-process.ts'
import { rowsOf } from '../server/register/invariants.ts'
import { configure } from '../server/register/triggers/live-grid.ts'

t.setTimeout(300_000)

const SERIES = 20
const SLICES = 50
const QUIET_SECONDS = 3
const KILLS = 4

interface Live {
  readonly grid: Grid
  readonly orthanc: Orthanc
  readonly admin: Session
  /** port of the site's C-STORE listener */
  readonly listener: number
  readonly config: string
}

/** A site whose source is Orthanc by DIMSE, and which is told of new series in one way alone. */
async function start(t: Test, trigger: 'changes' | 'listener'): Promise<Live | undefined> {
  const orthanc = await startOrthanc(t, { env: { TCP_NODELAY: '1' } })
  if (orthanc === undefined) return undefined
  const grid = await startGrid(t)
  const listener = await freePort()
  const config = join(grid.site.dir, 'site.json')
  await killSite(grid)
  await configure(
    { provisioned: { site: { config } } } as Parameters<typeof configure>[0],
    {
      ...{ name: 'pacs', url: orthanc.url, quietSeconds: QUIET_SECONDS, pollSeconds: 0 },
      ...(trigger === 'changes' && { changes: orthanc.rest }),
      ...(trigger === 'listener' && { pushes: { ae: 'PACS', addresses: ['127.0.0.1'] } }),
    },
    { dicom: { host: '127.0.0.1', port: listener, ae: 'MDM' } },
  )
  await startSite(grid)
  const admin = await openSession(await loadConfig({ config: grid.users.admin.config }))
  t.teardown(() => admin.close())
  return { grid, orthanc, admin, listener, config }
}

async function killSite(grid: Grid): Promise<void> {
  process.kill(grid.site.pid, 'SIGKILL')
  await gone(grid.site.pid)
}

/** Sends folders by DCMTK's storescu until each was taken as a whole, as a modality that tries again. */
async function storescu(port: number, called: string, folders: readonly string[]): Promise<number> {
  let tries = 0
  for (const folder of folders) {
    for (;;) {
      tries++
      const args = ['-aet', 'PACS', '-aec', called, '+sd', '127.0.0.1', String(port), folder]
      const env = { ...process.env, TCP_NODELAY: '1' }
      const child = spawn('storescu', args, { stdio: 'ignore', env })
      const [code] = (await once(child, 'close')) as [number | null]
      if (code === 0) break
      await sleep(200)
    }
  }
  return tries
}

async function seriesOf(t: Test, grid: Grid, name: string, count: number, slices: number): Promise<string[]> {
  const folders: string[] = []
  for (let i = 0; i < count; i++) {
    const folder = join(grid.scratch, `${name}-${i}`)
    await writeSeries(folder, {
      ...{ modality: 'CT', columns: 8, rows: 6, slices, spacing: [1, 1, 2], seed: `${name} ${i}` },
      voxel: (x, y, z) => 100 * z + 10 * y + x,
    })
    folders.push(folder)
  }
  return folders
}

async function untilFound(admin: Session, count: number, forMs: number): Promise<number> {
  const end = performance.now() + forMs
  for (;;) {
    // A site that is just killed does not answer.
    const found = await query(admin, 'modality=CT').catch(() => undefined)
    if (found !== undefined && found.rows.length >= count) return performance.now()
    if (performance.now() > end) throw new Error(`${found?.rows.length ?? 'no'} of ${count} volumes`)
    await sleep(50)
  }
}

for (const trigger of ['changes', 'listener'] as const) {
  t.test(
    `a site that is killed while 1,000 instances arrive loses none and has none twice: ${trigger}`,
    async (t) => {
      const live = await start(t, trigger)
      if (live === undefined) return void t.pass('Orthanc is not installed here')
      const { grid, orthanc, admin, listener, config } = live

      const [one] = await seriesOf(t, grid, 'one', 1, 20)
      await orthanc.store(one!)
      if (trigger === 'listener') await storescu(listener, 'MDM', [one!])
      const sent = performance.now()
      const found = await untilFound(admin, 1, 60_000)
      t.comment(
        `${trigger}: found ${((found - sent) / 1000 - QUIET_SECONDS).toFixed(2)} s after the quiet period of ${QUIET_SECONDS} s`,
      )

      const folders = await seriesOf(t, grid, 'many', SERIES, SLICES)
      let sending = true
      const sender = (async () => {
        // To the PACS first, as a router would have it: what we are told of is there.
        await Promise.all([
          storescu(orthanc.port, 'ORTHANC', folders),
          ...(trigger === 'listener' ? [storescu(listener, 'MDM', folders)] : []),
        ])
        sending = false
      })()
      let kills = 0
      while (sending || kills === 0) {
        await sleep(300 + 900 * Math.random())
        if (kills === KILLS) break
        await killSite(grid)
        await startSite(grid)
        kills++
      }
      await sender
      await untilFound(admin, SERIES + 1, 120_000)
      // Whatever is noticed still must end as what is there already.
      for (let i = 0; rowsOf(config, 'select * from notices').length > 0; i++) {
        if (i > 600) throw new Error('notices do not end')
        await sleep(100)
      }
      const volumes: string[] = []
      for await (const { guid } of list(admin)) volumes.push(guid)
      t.equal(volumes.length, SERIES + 1, 'one GUID a series')
      const slices = rowsOf(
        config,
        `select volumes.series, count(*) as n, count(distinct slices.sop) as sops from volumes
       join slices on slices.guid = volumes.guid and slices.version = volumes.latest group by volumes.series`,
      )
      const counts = slices.map(({ n, sops }) => [Number(n), Number(sops)]).sort((a, b) => a[0]! - b[0]!)
      t.strictSame(
        counts,
        [[20, 20], ...Array.from({ length: SERIES }, () => [SLICES, SLICES])],
        'every slice',
      )
      const twice = rowsOf(
        config,
        'select guid from versions group by guid, content_digest having count(*) > 1',
      )
      t.strictSame(twice, [], 'no content is registered twice')
      t.strictSame(rowsOf(config, 'select * from quarantine'), [])
      const versions = rowsOf(config, 'select guid from versions').length
      t.comment(`${trigger}: ${kills} kills, ${versions} versions of ${volumes.length} volumes`)
    },
  )
}
