import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { list } from '../../packages/core/src/access/metadata.ts'
import { register } from '../../packages/core/src/access/register.ts'
import { getHealth, getRosters, getWhoami, postRoster } from '../../packages/core/src/wire/common.ts'
import { postRegister } from '../../packages/core/src/wire/register.ts'
import type { Guid } from '../../packages/core/src/names.ts'
import { checkAudit, checkInvariants, siteRows } from './register/invariants.ts'
import { startSite } from '../../packages/server/src/site.ts'
import { addSeries, startSiteGrid, until } from './site-grid.ts'

const SERVER = resolve(import.meta.dirname, '../../packages/server/bin/run.js')

interface SiteProcess {
  readonly child: ChildProcess
  /** the first line on stdout; undefined when the process ended before */
  readonly firstLine: Promise<string | undefined>
  readonly ended: Promise<{ code: number | null; stderr: string }>
}

function spawnSite(t: Test, config: string): SiteProcess {
  const child = spawn(process.execPath, [SERVER, 'site', '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout! })
  const closed = once(lines, 'close').then(() => undefined)
  const stderr = text(child.stderr!)
  return {
    child,
    firstLine: Promise.race([once(lines, 'line').then(([line]) => String(line)), closed]),
    ended: once(child, 'exit').then(async ([code]) => ({
      code: code as number | null,
      stderr: await stderr,
    })),
  }
}

t.test('mdm-server site says where it listens, and ends on SIGTERM', async (t) => {
  const grid = await startSiteGrid(t, { started: false })
  const site = spawnSite(t, grid.provisioned.site.config)
  t.strictSame(JSON.parse((await site.firstLine) ?? ''), { listening: grid.provisioned.site.api })
  const admin = await grid.as('admin')

  const { identity } = admin.credential
  t.match(await admin.site.call(getWhoami), {
    kind: 'user',
    dn: identity.dn,
    spki: identity.spki,
    sites: ['demo'],
  })
  t.strictSame(await admin.site.call(getHealth), {
    status: 'ready',
    reasons: [],
    keyServersMayFail: 1,
    registrationWaitsFor: [],
  })
  const params = { site: admin.roster.body.site }
  t.strictSame((await admin.site.call(getRosters, { params })).rosters, [admin.roster.jws])
  t.strictSame((await admin.site.call(getRosters, { params, query: { since: 2 } })).rosters, [])
  t.strictSame(
    await admin.site.call(postRoster, { body: { roster: admin.roster.jws } }),
    { seq: 1 },
    'the known one again',
  )
  const [head, , signature] = admin.roster.jws.split('.')
  const changed = { ...admin.roster.body, seq: 2, prev: admin.roster.digest, m: 3 }
  const forged = [head, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.')
  await t.rejects(admin.site.call(postRoster, { body: { roster: forged } }), { code: 'MDM_ROSTER' })

  for (const file of ['site.sqlite', 'audit.jsonl']) {
    t.equal(
      (await stat(join(grid.provisioned.site.dir, file))).mode & 0o777,
      0o600,
      `${file} is only its owner's`,
    )
  }
  site.child.kill('SIGTERM')
  t.equal((await site.ended).code, 0)
  await checkAudit(t, grid, [])
  const events = (await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8')).match(
    /server-st(arted|opped)/g,
  )
  t.strictSame(events, ['server-started', 'server-stopped'])
})

t.test('a site that is killed again and again ends every registration, each once', async (t) => {
  const series = Array.from({ length: 6 }, () => ({ columns: 4, rows: 4, slices: 3 }))
  const grid = await startSiteGrid(t, { series, started: false })
  const admin = await grid.as('admin')
  let kills = 0
  for (let round = 0; round < 5; round++) {
    const site = spawnSite(t, grid.provisioned.site.config)
    await site.firstLine
    const job = admin.site.stream(postRegister, { body: {} }).then(async ({ body }) => {
      for await (const _ of body);
    })
    job.catch(() => undefined)
    await new Promise((done) => setTimeout(done, 40 + 60 * round))
    site.child.kill('SIGKILL')
    await site.ended
    kills++
  }
  t.equal(kills, 5)
  await grid.startSite()
  for await (const event of register(admin)) if (event.type === 'error') t.fail(event.message)
  await until(async () => siteRows(grid, 'select kid from attempts').length === 0)
  await checkInvariants(t, grid, admin, series.length)
  const guids: Guid[] = []
  for await (const { guid } of list(admin)) guids.push(guid)
  await grid.stopSite()
  await checkAudit(t, grid, guids)
})

t.test('a configuration that is wrong stops the site before it listens', async (t) => {
  const grid = await startSiteGrid(t, { started: false })
  const { dir, config } = grid.provisioned.site
  const good = JSON.parse(await readFile(config, 'utf8')) as Record<string, unknown>
  const attempt = (what: string) => t.rejects(startSite(config), { code: 'MDM_CONFIG', exitCode: 2 }, what)
  await writeFile(config, JSON.stringify({ ...good, sauces: [] }))
  await attempt('an unknown field')
  const site = spawnSite(t, config)
  t.equal(await site.firstLine, undefined, 'nothing is announced')
  const { code, stderr } = await site.ended
  t.equal(code, 2)
  t.match(stderr, /^MDM_CONFIG: /)
  t.notMatch(stderr, new RegExp(dir), 'no path of the server is told')
  await writeFile(
    config,
    JSON.stringify({ ...good, sources: [{ name: 'pacs', url: 'https://pacs.example' }] }),
  )
  await attempt('a kind of source that is not there yet')
  await writeFile(config, JSON.stringify(good))
  await chmod(join(dir, 'pseudonym.key'), 0o644)
  await attempt('a key that others can read')
  await chmod(join(dir, 'pseudonym.key'), 0o400)
  const signing = await readFile(join(dir, 'signing.key'))
  await writeFile(join(dir, 'signing.key'), await readFile(join(dir, 'tls.key')))
  await attempt("a signing key that is not the roster's")
  await writeFile(join(dir, 'signing.key'), signing)
  await rm(join(dir, 'rosters'), { recursive: true })
  await attempt('no accepted roster')
})

t.test('a new image in a running site is registered by the next job', async (t) => {
  const grid = await startSiteGrid(t, { series: [] })
  const admin = await grid.as('admin')
  const run = async () => {
    const kinds: string[] = []
    for await (const { type } of register(admin)) kinds.push(type)
    return kinds
  }
  t.strictSame(await run(), ['progress', 'done'])
  await addSeries(grid.source, 'fresh')
  t.strictSame(await run(), ['progress', 'registered', 'progress', 'done'])
})
