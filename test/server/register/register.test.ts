import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant } from '../../../packages/core/src/access/acl.ts'
import { list, metadataOf } from '../../../packages/core/src/access/metadata.ts'
import {
  register,
  type FollowedEvent,
  type RegisterReport,
} from '../../../packages/core/src/access/register.ts'
import { plainRequest } from '../../fixtures/plain-request.ts'
import { addSeries, registerAll, startSiteGrid } from '../site-grid.ts'

const reportOf = (events: readonly FollowedEvent[]): RegisterReport => {
  const last = events.at(-1)
  if (last?.type !== 'done') throw new Error(`the job ended with ${JSON.stringify(last)}`)
  return last.report
}

t.test('registration', async (t) => {
  const grid = await startSiteGrid(t, { series: [{}, { modality: 'MR' }] })
  const admin = await grid.as('admin')

  await t.test('a new series becomes one volume, told once and counted', async (t) => {
    const events = await registerAll(admin)
    const { registered, already, refused } = reportOf(events)
    t.equal(registered.length, 2)
    t.strictSame([already, refused], [[], []])
    t.strictSame(registered.map((v) => v.lfn).toSorted(), [
      '/demo/folder/CT/000001',
      '/demo/folder/MR/000001',
    ])
    for (const volume of registered) {
      t.match(volume, { version: 1, source: 'folder', shape: [8, 6, 4], instances: 4 })
    }
    t.strictSame(
      events.filter((e) => e.type === 'progress').map((e) => [e.done, e.total]),
      [
        [0, 2],
        [1, 2],
        [2, 2],
      ],
    )
  })

  await t.test('registering again changes nothing and says "already"', async (t) => {
    const before = await collect(list(admin))
    const { registered, already } = reportOf(await registerAll(admin))
    t.strictSame(registered, [])
    t.strictSame(
      already.map((a) => a.guid).toSorted(),
      before.map((row) => row.guid),
    )
    t.strictSame(await collect(list(admin)), before)
  })

  await t.test('two clients that ask at once get the events of one job', async (t) => {
    await addSeries(grid.source, 'both')
    const both = await Promise.all([registerAll(admin), registerAll(admin)])
    const [one, two] = both.map(reportOf)
    t.equal(one!.registered.length, 1)
    t.strictSame(two, one)
  })

  await t.test('a job goes on when its client leaves', async (t) => {
    for (const name of ['left-1', 'left-2', 'left-3']) await addSeries(grid.source, name)
    const before = (await collect(list(admin))).length
    const gone = new AbortController()
    await t.rejects(async () => {
      for await (const event of register(admin, { signal: gone.signal })) {
        if (event.type === 'progress') gone.abort(new Error('the client leaves'))
      }
    }, /the client leaves/)
    // Either joins the job or finds its work done; both end with every series registered.
    reportOf(await registerAll(admin))
    t.equal((await collect(list(admin))).length, before + 3)
  })

  await t.test('late slices make version 2 of the same GUID, under a new key', async (t) => {
    const { registered } = reportOf(
      (await addSeries(grid.source, 'late', { slices: 3 }), await registerAll(admin)),
    )
    const { guid, lfn } = registered[0]!
    await grant(admin, guid, {
      to: {
        kind: 'user',
        dn: (await grid.as('scientist')).credential.identity.dn,
        issuer: admin.credential.identity.issuer,
      },
      preset: 'process',
      versions: [1],
    })
    await addSeries(grid.source, 'late', { slices: 5 })
    const again = reportOf(await registerAll(admin))
    t.match(again.registered, [{ guid, lfn, version: 2, shape: [8, 6, 5] }])
    t.match(await metadataOf(admin, { guid }), { version: 2, tables: { image: { slices: 5 } } })
    t.match(await metadataOf(admin, { guid, version: 1 }), { version: 1, tables: { image: { slices: 3 } } })
    const scientist = await grid.as('scientist')
    t.match(await metadataOf(scientist, { guid }), { version: 1, tables: { image: { slices: 3 } } })
    await t.rejects(metadataOf(scientist, { guid, version: 2 }), { code: 'MDM_NOT_FOUND' })
    t.strictSame(reportOf(await registerAll(admin)).registered, [], 'and is known from then on')
  })

  await t.test('what cannot be a volume is kept in quarantine, once, without values', async (t) => {
    const positions = [0, 2, 4, 11]
    await addSeries(grid.source, 'gap', {
      patient: { name: 'QUARANTINED^NAME', id: 'Q-ID-1' },
      attributes: (k) => ({ ImagePositionPatient: [0, 0, positions[k]!] }),
    })
    const { registered, refused } = reportOf(await registerAll(admin))
    t.strictSame(registered, [])
    t.match(refused, [{ code: 'MDM_GEOMETRY_GAP', quarantine: /^q-[0-9a-f]{16}$/ }])
    t.strictSame(reportOf(await registerAll(admin)).refused, refused, 'the same row the next time')
    const audit = await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8')
    t.equal(audit.split(refused[0]!.quarantine).length - 1, 2, 'one record: its id and its fact')
    t.notMatch(JSON.stringify(refused), /QUARANTINED|Q-ID-1/)
    await rm(join(grid.source, 'gap'), { recursive: true })
  })

  await t.test('only an administrator may register, and the refusal tells nothing of volumes', async (t) => {
    for (const user of ['physician', 'stranger'] as const) {
      await t.rejects(registerAll(await grid.as(user)), { code: 'MDM_DENIED', exitCode: 4 })
      const { config } = grid.provisioned.users[user]!
      const url = `${grid.provisioned.site.api}/v1/register`
      const known = await plainRequest(config, url, { method: 'POST', body: { source: 'folder' } })
      const invented = await plainRequest(config, url, { method: 'POST', body: { source: 'nosuch' } })
      t.strictSame(known.body, invented.body)
    }
  })

  await t.test('a source the site does not have is refused by name', async (t) => {
    await t.rejects(collect(register(admin, { source: 'nosuch' })), { code: 'MDM_USAGE' })
  })
})

t.test('no name, id or UID of a patient is in any byte outside the site database', async (t) => {
  const patient = { name: 'CANARY^ARAMINTA', id: 'PID-CANARY-77', birthDate: '19330417', sex: 'F' }
  const planted = [
    'CANARY^ARAMINTA',
    'ARAMINTA',
    'PID-CANARY-77',
    '19330417',
    '1933-04-17',
    '1.2.826.99.4711',
    'ACCESSION-CANARY',
    'DR-CANARY',
  ]
  const grid = await startSiteGrid(t, {
    series: [
      {
        ...{ patient, study: '1.2.826.99.4711.1', series: '1.2.826.99.4711.2' },
        sop: (k) => `1.2.826.99.4711.3.${k}`,
        attributes: () => ({ AccessionNumber: 'ACCESSION-CANARY', ReferringPhysicianName: 'DR-CANARY' }),
      },
      {
        ...{ patient, study: '1.2.826.99.4711.1', series: '1.2.826.99.4711.4', modality: 'MR' },
        sop: (k) => `1.2.826.99.4711.5.${k}`,
        attributes: (k) => ({ ImagePositionPatient: [0, 0, k * k] }),
      },
    ],
  })
  const admin = await grid.as('admin')
  const events = await registerAll(admin)
  t.equal(reportOf(events).registered.length, 1)
  t.equal(reportOf(events).refused.length, 1)
  t.match(await metadataOf(admin, { guid: reportOf(events).registered[0]!.guid }), {
    tables: { patient: { patient_name: 'CANARY^ARAMINTA', source_patient_id: 'PID-CANARY-77' } },
  })
  await grid.stopSite()
  const written = [
    { name: 'log', bytes: Buffer.from(grid.log.join('')) },
    { name: 'events', bytes: Buffer.from(JSON.stringify(events)) },
  ]
  for (const entry of await readdir(grid.provisioned.dir, { recursive: true, withFileTypes: true })) {
    const name = join(entry.parentPath, entry.name)
    written.push({ name: 'names', bytes: Buffer.from(name) })
    if (entry.isFile() && !/site\.sqlite/.test(entry.name))
      written.push({ name, bytes: await readFile(name) })
  }
  t.ok(written.length > 20, 'there is something to search')
  for (const text of planted) {
    const found = written.filter(({ bytes }) => bytes.includes(text)).map(({ name }) => name)
    t.strictSame(found, [], `"${text}" is nowhere`)
  }
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
