import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { RADIOLOGIST } from '../fixtures/peers/grid-pki.ts'
import { speaker, type Speaker } from '../fixtures/peers/soap-over-httpg.ts'
import { startStorageGrid } from '../fixtures/peers/storage-grid.ts'
import { scriptedObjects } from '../fixtures/scripted-objects.ts'
import { startScriptedScp, wholeSeries } from '../fixtures/scripted-scp.ts'
import { addSeries, registerAll } from '../server/site-grid.ts'

const VOLUMES = 50
const SLICES = 2
const REQUESTS = 2_000
const USERS = 4
const PROXIES_EACH = 2
const CONNECTIONS_EACH = 12
const UNDER_WAY = new Set(['SRM_REQUEST_QUEUED', 'SRM_REQUEST_INPROGRESS'])

t.test('2,000 requests for 50 volumes at once: all end, and each volume is read once', async (t) => {
  const scp = await startScriptedScp(t)
  const sent = new Map<string, number>()
  scp.script.retrieve = (objects) => {
    for (const { sop } of objects) sent.set(sop, (sent.get(sop) ?? 0) + 1)
    return wholeSeries(objects)
  }
  const source = { name: 'pacs', url: `dicom://${scp.ae}@127.0.0.1:${scp.port}`, pollSeconds: 0 }
  const policy = [{ to: { kind: 'fqan', fqan: RADIOLOGIST }, preset: 'replicate' }]
  // Site, key servers, archive and two thousand clients are one process here: how long an answer waits to be read is not what is tested.
  const site = { keysMs: 120_000 }
  const grid = await startStorageGrid(t, { series: [], site, settings: { sources: [source], policy } })
  if (grid === undefined) return t.pass('skipped: the tools of a grid are not installed here')
  const files: string[] = []
  for (let i = 0; i < VOLUMES; i++)
    files.push(...(await addSeries(grid.source, `s${i}`, { slices: SLICES })).files)
  scp.objects.push(...(await scriptedObjects(files)))
  const admin = await grid.as('admin')
  const guids = (await registerAll(admin)).flatMap((e) => (e.type === 'registered' ? [e.volume.guid] : []))
  t.equal(guids.length, VOLUMES)

  const speakers = await Promise.all(
    Array.from({ length: USERS }, async (_, n) => {
      const user = await grid.pki.issue(`user${n}`, `Test User ${n}`)
      return await Promise.all(
        Array.from({ length: PROXIES_EACH }, async () =>
          speaker(t, grid.pki, {
            proxy: await grid.pki.proxy(user, { fqans: [RADIOLOGIST] }),
            ...{ port: grid.port, connections: CONNECTIONS_EACH },
          }),
        ),
      )
    }),
  ).then((of) => of.flat())

  sent.clear()
  const copies = new Map<string, Set<string>>()
  /** Asks for a volume until its request has ended, as gfal2 does but more seldom. */
  const ask = async (caller: Speaker, surl: string) => {
    let said = await caller.prepare(surl)
    const { token } = said
    if (token === undefined) throw new Error(`no token: ${said.body}`)
    for (let waitMs = 500; UNDER_WAY.has(said.status); waitMs = Math.min(2 * waitMs, 4_000)) {
      await sleep(waitMs)
      said = await caller.status(token)
    }
    return { ...said, token }
  }
  // None is let go before all have ended, so at last 2,000 are open at once.
  const open = await Promise.all(
    Array.from({ length: REQUESTS }, async (_, n) => {
      const guid = guids[n % VOLUMES]!
      const caller = speakers[n % speakers.length]!
      const surl = grid.surl(guid)
      const said = await ask(caller, surl)
      if (said.status !== 'SRM_SUCCESS') t.comment(said.body.replaceAll(/<[^>]*>/g, ' '))
      // Every tenth reads what it asked for, so each volume is read by several.
      if (n % (VOLUMES * 10) < VOLUMES) {
        const { status, body } = await caller.get(said.turl!)
        t.equal(status, 200)
        const digest = createHash('sha256').update(body).digest('hex')
        copies.set(guid, (copies.get(guid) ?? new Set()).add(digest))
      }
      return { caller, surl, ...said }
    }),
  )
  t.strictSame(new Set(open.map(({ status }) => status)), new Set(['SRM_SUCCESS']), 'every request ends well')
  t.equal(new Set(open.map(({ token }) => token)).size, REQUESTS)
  t.equal(sent.size, files.length, 'every object was read')
  t.ok(
    [...sent.values()].every((times) => times === 1),
    'and none of them twice',
  )
  t.equal(copies.size, VOLUMES)
  t.ok(
    [...copies.values()].every(({ size }) => size === 1),
    'so all copies of a volume are alike',
  )
  const some = open.slice(0, VOLUMES)
  const released = await Promise.all(some.map(({ caller, token, surl }) => caller.release(token, surl)))
  t.strictSame(new Set(released.map(({ status }) => status)), new Set(['SRM_SUCCESS']))
})
