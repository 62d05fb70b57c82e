import { mkdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { list, volumeRow } from '../../../packages/core/src/access/metadata.ts'
import type { Session } from '../../../packages/core/src/access/session.ts'
import { emptyChain, signStatement, verifyChain } from '../../../packages/core/src/acl/statement.ts'
import type { Guid } from '../../../packages/core/src/names.ts'
import { getStatements, postStatement } from '../../../packages/core/src/wire/common.ts'
import type { Step } from '../../../packages/server/src/register/register-series.ts'
import { PASSWORD, psql, startPostgres } from '../../fixtures/postgres.ts'
import { checkAudit, checkInvariants, siteRows } from '../register/invariants.ts'
import { registerAll, startSiteGrid, until, type SiteGrid } from '../site-grid.ts'

t.setTimeout(300_000)
const postgres = await startPostgres(t)
if (postgres === undefined) t.pass('skipped: PostgreSQL is not installed')
else {
  process.env.MDM_TEST_POSTGRES = postgres.create()

  for (const moment of ['in the middle', 'at its commit'] as const) {
    t.test(`J5 is cut off ${moment}: nothing is there, and the site ends it by itself`, async (t) => {
      const grid = await startSiteGrid(t)
      const admin = await grid.as('admin')
      const mend = await endSessionOn(grid, 'slices', moment)
      t.match((await registerAll(admin)).at(-1), { type: 'error', code: 'MDM_STORE' })
      t.strictSame(await guidsOf(admin), [])
      // The pseudonym key was made before, in a transaction of its own.
      const events = `outbox where event not like '%pseudonym-key-made%'`
      for (const table of ['volumes', 'versions', 'slices', 'image', 'access_lists', 'statements', events])
        t.strictSame(siteRows(grid, `select 1 from ${table}`), [], table)
      mend()
      await ends(t, grid, admin)
    })

    t.test(`a statement is cut off ${moment}: it does not count until it is sent again`, async (t) => {
      const grid = await startSiteGrid(t)
      const admin = await grid.as('admin')
      await registerAll(admin)
      const [guid] = (await guidsOf(admin)) as [Guid]
      const stranger = await grid.as('stranger')
      const { send, statements } = await grantOf(admin, stranger, guid)
      const mend = await endSessionOn(grid, 'statements', moment)
      await t.rejects(send(), { code: 'MDM_STORE' })
      await t.rejects(volumeRow(stranger, { guid }), { code: 'MDM_NOT_FOUND' })
      t.equal((await statements()).length, 1)
      mend()
      t.match(await send(), { seq: 1 })
      t.match(await volumeRow(stranger, { guid }), { guid })
      t.equal((await statements()).length, 2)
      const list = `scope = '${guid}' and object = 'file'`
      t.strictSame(
        siteRows(grid, `select seq from statements where ${list} order by seq`).map((row) => row.seq),
        [0, 1],
      )
      t.match(siteRows(grid, `select seq from access_lists where ${list}`), [{ seq: 1 }])
      await grid.stopSite()
      const log = await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8')
      t.equal(log.split('"event":"statement-accepted"').length, 2, 'audited once')
      t.notMatch(grid.log.join('') + log, PASSWORD, 'the password is in no log')
    })
  }

  t.test(
    'a commit whose answer is lost has happened: nothing is doubled, nothing is overlooked',
    async (t) => {
      const grid = await startSiteGrid(t, { started: false })
      const wire = await startOnWire(t, grid)
      const admin = await grid.as('admin')
      t.strictSame(await guidsOf(admin), [], 'the site remembers every list there is: none')
      wire.cutAfterCommit('insert into "volumes"')
      t.match((await registerAll(admin)).at(-1), { type: 'error', code: 'MDM_STORE' })
      await ends(t, grid, admin, { running: true })

      const [guid] = (await guidsOf(admin)) as [Guid]
      const stranger = await grid.as('stranger')
      await t.rejects(volumeRow(stranger, { guid }), { code: 'MDM_NOT_FOUND' })
      const { send } = await grantOf(admin, stranger, guid)
      wire.cutAfterCommit('insert into "statements"')
      await t.rejects(send(), { code: 'MDM_STORE' })
      t.match(await volumeRow(stranger, { guid }), { guid }, 'it counts, though nobody was told')
      t.match(await send(), { seq: 1 }, 'the same again changes nothing')
      await grid.stopSite()
      await checkAudit(t, grid, [guid])
    },
  )

  t.test('PostgreSQL stops and starts under registration: waits or coded errors, nothing lost', async (t) => {
    let stopped: Promise<void> | undefined
    let reached = 0
    const after = async (step: Step) => {
      if (step === 'J3' && ++reached === 2) await (stopped = postgres.stop())
    }
    const series = Array.from({ length: 4 }, () => ({}))
    const grid = await startSiteGrid(t, { series, site: { after } })
    const admin = await grid.as('admin')
    t.match((await registerAll(admin)).at(-1), { type: 'error', code: 'MDM_STORE' })
    await stopped
    await t.rejects(guidsOf(admin), { code: 'MDM_STORE' })
    await postgres.start()
    await until(async () => {
      const events = await registerAll(admin).catch(() => [])
      return events.at(-1)?.type === 'done' && (await guidsOf(admin).catch(() => [])).length === 4
    })
    await ends(t, grid, admin, { volumes: 4 })
  })
}

/** From now on the session that writes to the table ends there, until the returned function is called. */
async function endSessionOn(grid: SiteGrid, table: string, moment: 'in the middle' | 'at its commit') {
  const url = await storeUrl(grid)
  const body = 'begin perform pg_terminate_backend(pg_backend_pid()); return null; end'
  psql(url, `create function cut() returns trigger language plpgsql as '${body}'`)
  const late = moment === 'at its commit' ? ['constraint', 'deferrable initially deferred'] : ['', '']
  psql(
    url,
    `create ${late[0]} trigger cut after insert on ${table} ${late[1]} for each row execute function cut()`,
  )
  return () => void psql(url, 'set client_min_messages = error; drop function cut() cascade')
}

async function storeUrl(grid: SiteGrid): Promise<string> {
  const { store } = JSON.parse(await readFile(grid.provisioned.site.config, 'utf8')) as { store: string }
  return store
}

/** Starts the site with a wire between it and PostgreSQL, on which the answer to one commit can be lost. */
async function startOnWire(t: Test, grid: SiteGrid): Promise<{ cutAfterCommit(after: string): void }> {
  const url = await storeUrl(grid)
  const real = join(/host=(.*)/.exec(url)![1]!, '.s.PGSQL.5432')
  let marked: string | undefined
  const server: Server = createServer((client) => {
    const database = connect(real)
    let armed = false
    let mute = false
    client.on('data', (bytes) => {
      if (marked !== undefined && bytes.includes(marked)) {
        armed = true
        marked = undefined
      }
      if (armed && bytes.includes('commit\0')) mute = true
      database.write(bytes)
    })
    database.on('data', (bytes) => {
      if (mute) client.destroy()
      else client.write(bytes)
    })
    for (const [from, to] of [
      [client, database],
      [database, client],
    ] as const) {
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  // Beside the real socket: a path of a test folder may be longer than the 107 bytes a socket may have.
  const folder = `${real}-wire`
  mkdirSync(folder)
  await new Promise<void>((resolve) => server.listen(join(folder, '.s.PGSQL.5432'), resolve))
  t.teardown(() => server.close())
  const { config } = grid.provisioned.site
  const written = await readFile(config, 'utf8')
  const store = url.replace(/host=.*/, `host=${folder}`)
  await writeFile(config, JSON.stringify({ ...(JSON.parse(written) as object), store }))
  await grid.startSite()
  // The test itself looks past the wire.
  await writeFile(config, written)
  return { cutAfterCommit: (after) => void (marked = after) }
}

/** The registration ends as if nothing had happened. */
async function ends(
  t: Test,
  grid: SiteGrid,
  admin: Session,
  o: { volumes?: number; running?: boolean } = {},
): Promise<void> {
  const volumes = o.volumes ?? 1
  await until(async () => (await guidsOf(admin)).length === volumes)
  await until(async () => siteRows(grid, 'select kid from attempts').length === 0)
  await until(async () => siteRows(grid, 'select event_id from outbox').length === 0)
  await until(async () => siteRows(grid, `select 1 from journal where state <> 'ACTIVE'`).length === 0)
  await checkInvariants(t, grid, admin, volumes)
  if (o.running === true) return
  const guids = await guidsOf(admin)
  await grid.stopSite()
  await checkAudit(t, grid, guids)
}

async function guidsOf(admin: Session): Promise<Guid[]> {
  const guids: Guid[] = []
  for await (const { guid } of list(admin)) guids.push(guid)
  return guids
}

/** A statement by which the administrator lets a user list a volume, and how to send it. */
async function grantOf(admin: Session, user: Session, guid: Guid) {
  const { site } = admin.roster.body
  const name = { site, scope: guid, object: 'file' as const }
  const statements = async () => (await admin.site.call(getStatements, { params: name })).statements
  const held = await statements()
  const chain =
    held.length === 0
      ? emptyChain(site, guid, 'file')
      : await verifyChain(held, { roster: admin.roster, ...name })
  const { dn, issuer } = user.credential.identity
  const statement = await signStatement({
    chain,
    change: {
      op: 'grant',
      entry: { to: { kind: 'user', dn, issuer }, rights: ['list'], versions: 'all' },
    },
    credential: admin.credential,
    now: new Date(),
  })
  return { statements, send: async () => await admin.site.call(postStatement, { body: { statement } }) }
}
