import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { list, query } from '../../../packages/core/src/access/metadata.ts'
import { saveVolume } from '../../../packages/core/src/access/save.ts'
import type { Session } from '../../../packages/core/src/access/session.ts'
import { ERRORS, MdmError } from '../../../packages/core/src/errors.ts'
import type { Guid } from '../../../packages/core/src/names.ts'
import type { TestPostgres } from '../../fixtures/postgres.ts'
import { checkAudit, checkInvariants, siteRows } from '../register/invariants.ts'
import { addSeries, registerAll, startSiteGrid } from '../site-grid.ts'

const CLIENTS = 50
/** Of them, how many register and query; the others get. */
const REGISTERING = 4
const QUERYING = 4

/** What clients saw; `codes` counts the codes of errors. */
export interface Seen {
  gets: number
  registered: number
  readonly codes: Record<string, number>
}

/**
 * Takes PostgreSQL away from a site and its key servers under 50 clients that get, query and register new series, and gives it back.
 * No client may see anything but a wait or a coded error that may be tried again, and nothing may be lost or doubled.
 *
 * @param away begins the outage, and gives what ends it
 */
export async function outage(
  t: Test,
  ms: number,
  away: () => Promise<() => Promise<void> | void>,
): Promise<Seen> {
  const grid = await startSiteGrid(t, { series: [{}, {}, {}] })
  const admin = await grid.as('admin')
  const acknowledged = new Map<Guid, string>()
  const note = (events: Awaited<ReturnType<typeof registerAll>>) => {
    for (const event of events)
      if (event.type === 'registered') acknowledged.set(event.volume.guid, event.volume.lfn)
  }
  note(await registerAll(admin))
  const guids = [...acknowledged.keys()]
  const digest = async (file: string) =>
    createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
  const right = new Map<Guid, string>()
  const save = (session: Session, guid: Guid, path: string, retries: number) =>
    saveVolume(session, { guid }, { level: 'decrypt', format: 'nrrd', path, retries })
  for (const guid of guids) {
    await save(admin, guid, join(grid.dir, guid), 0)
    right.set(guid, await digest(join(grid.dir, guid)))
  }
  const coming = join(grid.dir, 'coming')
  /** Whole at once: what another client registers of half a series has a second version, and so a second record. */
  const arrive = async (name: string) => {
    await addSeries(coming, name)
    await rename(join(coming, name), join(grid.source, name))
  }
  const seen: Seen = { gets: 0, registered: 0, codes: {} }
  let added = guids.length
  let running = true
  const coded = (error: unknown) => {
    const code = error instanceof MdmError ? error.code : 'MDM_INTERNAL'
    seen.codes[code] = (seen.codes[code] ?? 0) + 1
    if (!ERRORS[code].retry) t.fail(`a client saw ${code}`, { error })
  }
  const client = async (i: number) => {
    const session = await grid.as('admin')
    const path = join(grid.dir, `client-${i}`)
    const guid = guids[i % guids.length]!
    while (running) {
      try {
        if (i < REGISTERING) {
          await arrive(`new-${added++}`)
          const events = await registerAll(session)
          note(events)
          const last = events.at(-1)!
          if (last.type === 'error') throw new MdmError(last.code as 'MDM_STORE', last.message)
          if (last.type === 'waiting') throw new MdmError('MDM_WAITING')
        } else if (i < REGISTERING + QUERYING) await query(session, 'modality=CT')
        else {
          // Half of them try again by themselves, as `mdm get` does.
          await save(session, guid, path, i % 2 === 0 ? 4 : 0)
          seen.gets++
          if ((await digest(path)) !== right.get(guid)) t.fail('other bytes than before')
          await rm(path)
        }
      } catch (error) {
        coded(error)
      }
      await sleep(i < REGISTERING ? 700 : 300)
    }
  }
  const clients = Array.from({ length: CLIENTS }, (_, i) => client(i))
  await sleep(1_000)
  const back = await away()
  await sleep(ms)
  await back()
  await sleep(2_000)
  running = false
  await Promise.all(clients)

  // The site ends by itself what it had begun.
  await soon(
    async () => siteRows(grid, `select 1 from journal where state in ('PENDING', 'WAITING')`).length === 0,
  )
  await soon(async () => (await registerAll(admin)).at(-1)?.type === 'done')
  await soon(async () => siteRows(grid, 'select kid from attempts').length === 0)
  await soon(async () => siteRows(grid, 'select event_id from outbox').length === 0)
  const rows: { guid: Guid; lfn: string }[] = []
  for await (const row of list(admin)) rows.push(row)
  const known = new Map(rows.map(({ guid, lfn }) => [guid, lfn]))
  for (const [guid, lfn] of acknowledged)
    t.equal(known.get(guid), lfn, 'an acknowledged registration is there')
  seen.registered = rows.length
  await checkInvariants(t, grid, admin, (await readdir(grid.source)).length)
  await grid.stopSite()
  await checkAudit(
    t,
    grid,
    rows.map(({ guid }) => guid),
  )
  return seen
}

/** Stopped for good, as by its administrator. */
export const stopped = (postgres: TestPostgres) => async () => {
  await postgres.stop()
  return () => postgres.start()
}

/** Silent, as when its machine hangs: connections stay open and nothing is answered. */
export const frozen = (postgres: TestPostgres) => async () => {
  const pids = await group(postgres.pid)
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  return () => {
    for (const pid of pids) process.kill(pid, 'SIGCONT')
  }
}

/** A PostgreSQL server and the processes of its sessions. */
async function group(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return [pid, ...children.trim().split(/\s+/).filter(Boolean).map(Number)]
}

async function soon(condition: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(100))
    if (await condition().catch(() => false)) return
  throw new Error('it did not happen within a minute')
}
