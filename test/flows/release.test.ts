import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openVolume } from '@mdm/core/access/decrypt'
import {
  dropQuarantined,
  quarantined,
  releaseQuarantined,
  retractReleased,
} from '@mdm/core/access/quarantine'
import type { Guid } from '@mdm/core/names'
import type { QuarantineRow } from '@mdm/core/wire/quarantine'
import { runMdm } from '../fixtures/grid.ts'
import { plainRequest } from '../fixtures/plain-request.ts'
import { auditOf, siteRows } from '../server/register/invariants.ts'
import { addSeries, registerAll, startSiteGrid, until } from '../server/site-grid.ts'

t.setTimeout(600_000)

const BURNED = { BurnedInAnnotation: 'YES' }

t.test('what is held for privacy leaves when a person releases it, and only that', async (t) => {
  const grid = await startSiteGrid(t, { series: [] })
  const admin = await grid.as('admin')
  const { config } = grid.provisioned.users.admin!
  const mdm = (...args: string[]) => runMdm(args, { config })
  const audit = () => auditOf(grid.provisioned.site.dir)
  const records = async (event: string) => (await audit()).filter((record) => record.event === event)
  const rows = async (of: (row: QuarantineRow) => boolean = () => true) => {
    const found: QuarantineRow[] = []
    for await (const row of quarantined(admin)) if (of(row)) found.push(row)
    return found.toSorted((a, b) => a.instances - b.instances)
  }
  const held = (row: QuarantineRow) => row.code === 'MDM_PRIVACY_HELD' && row.released === undefined
  const ofType = async (type: string) => (await registerAll(admin)).filter((event) => event.type === type)
  let guid = '' as Guid
  /** undefined when it can be read, else why not */
  const fault = async () => {
    try {
      const volume = await openVolume(admin, { guid })
      await volume.slice(0)
      await volume.close()
      return undefined
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  // One image of four says that it has annotations, so the others wait for it.
  const half = (k: number) => (k === 0 ? BURNED : {})
  await addSeries(grid.source, 'a', { attributes: half, patient: { name: 'SECRET^NAME', id: 'ID-A' } })
  await addSeries(grid.source, 'gap', {
    attributes: (k) => ({ ImagePositionPatient: [0, 0, [0, 2, 4, 11][k]!] }),
  })
  t.equal((await ofType('refused')).length, 3)
  const [first, waiting] = (await rows(held)) as [QuarantineRow, QuarantineRow]
  t.match(first, { instances: 1, releasable: true })
  t.match(waiting, { instances: 3, releasable: false })
  const { id } = first

  await t.test('a reason of one line is needed, and a row that is itself held for privacy', async (t) => {
    t.equal((await mdm('quarantine', 'release', id, '--json')).code, 2)
    for (const reason of ['two\nlines', 'x'.repeat(201), '\u202eback'])
      await t.rejects(releaseQuarantined(admin, id, reason), { code: 'MDM_BAD_REQUEST' })
    const [gap] = await rows(({ code }) => code === 'MDM_GEOMETRY_GAP')
    for (const other of [gap!, waiting])
      await t.rejects(releaseQuarantined(admin, other.id, 'just so'), { code: 'MDM_USAGE' })
    await t.rejects(releaseQuarantined(admin, 'q-0000000000000000', 'just so'), { code: 'MDM_NOT_FOUND' })
    await t.rejects(retractReleased(admin, id, 'just so'), { code: 'MDM_USAGE' })
    t.strictSame(await records('quarantine-released'), [])
  })

  await t.test('only an administrator may, and others learn nothing of any row', async (t) => {
    const physician = grid.provisioned.users.physician!.config
    for (const verb of ['release', 'retract']) {
      const ask = (row: string) =>
        plainRequest(physician, `${grid.provisioned.site.api}/v1/quarantine/${row}/${verb}`, {
          method: 'POST',
          body: { reason: 'just so' },
        })
      const [real, invented] = [await ask(id), await ask('q-0000000000000000')]
      t.equal(real.status, 403)
      t.strictSame(real.body, invented.body)
    }
  })

  await t.test(
    'released, the series is registered and delivered, and the row says who and why',
    async (t) => {
      const done = await mdm('quarantine', 'release', id, '--reason', 'looked at all four', '--json')
      t.equal(done.code, 0, done.stdout)
      t.match(done.json, { released: [id], refused: [] })
      guid = [...done.json.registered, ...done.json.already].map((v: { guid: Guid }) => v.guid).join() as Guid
      t.equal(await fault(), undefined)
      t.strictSame(await rows(held), [], 'neither row waits any more')
      t.notMatch((await mdm('quarantine', 'ls')).stdout, id)
      t.match((await mdm('quarantine', 'ls', '--released')).stdout, id)
      t.match((await mdm('quarantine', 'show', id)).stdout, /because +looked at all four/)
      t.match(await records('quarantine-released'), [
        {
          facts: { quarantine: id, reason: 'looked at all four', instances: 1, digest: first.digest },
          caller: { dn: admin.credential.identity.dn },
        },
      ])
    },
  )

  await t.test('once more is the same, also after a restart and a look at everything', async (t) => {
    await releaseQuarantined(admin, id, 'once more')
    t.equal((await records('quarantine-released')).length, 1)
    await grid.stopSite()
    await grid.startSite()
    const events = await registerAll(admin)
    t.notOk(events.some(({ type }) => type === 'registered' || type === 'gone'))
    t.match(await rows((row) => row.id === id), [{ released: { reason: 'looked at all four' } }])
    await t.rejects(dropQuarantined(admin, id, 'not wanted'), { code: 'MDM_CONFLICT' })
  })

  await t.test(
    'retracted, its volume is gone, though its source be away; released again it is back',
    async (t) => {
      await rename(grid.source, `${grid.source}-away`)
      await retractReleased(admin, id, 'a name in the corner')
      t.equal(await fault(), 'MDM_GONE')
      t.match(await records('quarantine-retracted'), [
        { facts: { quarantine: id, reason: 'a name in the corner' } },
      ])
      await rename(`${grid.source}-away`, grid.source)
      t.strictSame(await ofType('gone'), [], 'it is gone already')
      t.match(await rows(held), [{ id, instances: 1 }, { instances: 3 }])
      const back = await mdm('quarantine', 'release', id, '--reason', 'it was another image', '--json')
      t.equal(back.code, 0, back.stdout)
      t.equal(await fault(), undefined)
    },
  )

  await t.test('what comes later, or says something else, is held again', async (t) => {
    await addSeries(grid.source, 'a', { slices: 5, attributes: half })
    t.match(await ofType('gone'), [{ guid }], 'a volume with a slice that is held is gone')
    t.match(await rows(held), [{ instances: 1 }, { instances: 4 }])
    await rm(join(grid.source, 'a'), { recursive: true })
    await addSeries(grid.source, 'a', {
      attributes: (k) => (k === 0 ? { BurnedInAnnotation: 'MAYBE' } : {}),
    })
    await registerAll(admin)
    t.equal(await fault(), 'MDM_GONE')
    await rm(join(grid.source, 'a'), { recursive: true })
    await addSeries(grid.source, 'a', { attributes: half })
    t.match(await ofType('returned'), [{ guid }], 'these are the objects that were looked at')
    t.equal(await fault(), undefined)
  })

  await t.test('a release is carried out by the site alone, if whoever gave it is gone', async (t) => {
    await addSeries(grid.source, 'b', { attributes: () => BURNED })
    await registerAll(admin)
    const [other] = await rows(held)
    await grid.stopKeyServer(0)
    await releaseQuarantined(admin, other!.id, 'looked at')
    await grid.stopSite()
    await grid.startKeyServer(0)
    await grid.startSite()
    await until(async () => siteRows(grid, `select guid from volumes`).length === 2)
    t.equal((await rows(held)).length, 0)
  })

  t.notMatch(JSON.stringify(await audit()), /SECRET|ID-A/)
})
