import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { quarantined, quarantineRow } from '@mdm/core/access/quarantine'
import { ERRORS } from '@mdm/core/errors'
import type { QuarantineRow } from '@mdm/core/wire/quarantine'
import { runMdm } from '../fixtures/grid.ts'
import { plainRequest } from '../fixtures/plain-request.ts'
import { siteRows } from '../server/register/invariants.ts'
import { addSeries, registerAll, startSiteGrid } from '../server/site-grid.ts'

t.setTimeout(600_000)

/** Four slices, of which the last is too far away. */
const gap = (patient: string) => ({
  patient: { name: `${patient}^HELD`, id: `ID-${patient}` },
  attributes: (k: number) => ({ ImagePositionPatient: [0, 0, [0, 2, 4, 11][k]!] }),
})

t.test('what could not be registered is kept, shown, tried again, dropped, and goes by itself', async (t) => {
  const grid = await startSiteGrid(t, { series: [{}] })
  const admin = await grid.as('admin')
  const { config } = grid.provisioned.users.admin!
  const mdm = (args: string[], input?: string) =>
    runMdm(args, { config, ...(input === undefined ? {} : { input }) })
  const audit = async () => await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8')
  const records = async (event: string) =>
    (await audit())
      .split('\n')
      .filter((line) => line.includes(`"${event}"`))
      .map((line) => JSON.parse(line) as { facts: Record<string, string>; caller: { dn: string } })
  const rows = async () => {
    const found: QuarantineRow[] = []
    for await (const row of quarantined(admin)) found.push(row)
    return found
  }
  const mended = async (name: string) => await addSeries(grid.source, name, { slices: 4 })

  for (const name of ['a', 'b', 'c', 'd']) await addSeries(grid.source, name, gap(name.toUpperCase()))
  const events = await registerAll(admin)
  const refused = events.flatMap((e) => (e.type === 'refused' ? [e] : []))
  t.equal(refused.length, 4)

  await t.test('a row has rule, names of attributes and the next step, and no value', async (t) => {
    const found = await rows()
    t.strictSame(
      found.map(({ id }) => id),
      refused.map(({ refused: r }) => r.quarantine).toSorted(),
    )
    for (const row of found) {
      t.match(row, { source: 'folder', code: 'MDM_GEOMETRY_GAP', instances: 4, digest: /^[0-9a-f]{64}$/ })
      t.equal(row.next, ERRORS.MDM_GEOMETRY_GAP.next)
    }
    t.notMatch(JSON.stringify(found), /HELD|ID-[ABCD]|1\.2\.826|2\.25\./)
    t.match((await mdm(['quarantine', 'ls'])).stdout, /^id +code +instances +source +since +reason\nq-/)
    t.strictSame((await mdm(['quarantine', 'ls', '--json'])).json, { rows: found })
    const shown = await mdm(['quarantine', 'show', found[0]!.id])
    t.match(shown.stdout, /next +complete the series at the source/)
    const ids = await mdm(['quarantine', 'ls', '--ids', '--code', 'MDM_GEOMETRY_GAP'])
    t.equal(ids.stdout, found.map(({ id }) => `${id}\n`).join(''))
    t.strictSame((await mdm(['quarantine', 'show', '--json'], ids.stdout)).json, { rows: found })
    t.equal((await mdm(['quarantine', 'ls', '--ids', '--code', 'MDM_DICOM'])).stdout, '')
    t.ok((await records('quarantine-read')).length >= 4, 'every look is in the audit log')
  })

  await t.test('it is for administrators; others learn nothing of any row', async (t) => {
    const [row] = await rows()
    const url = `${grid.provisioned.site.api}/v1/quarantine`
    const physician = grid.provisioned.users.physician!.config
    for (const [path, o] of [
      ['', {}],
      ['/ID', {}],
      ['/ID/drop', { method: 'POST', body: { reason: 'just so' } }],
    ] as const) {
      const real = await plainRequest(physician, url + path.replace('ID', row!.id), o)
      const invented = await plainRequest(physician, url + path.replace('ID', 'q-0000000000000000'), o)
      t.equal(real.status, 403, path)
      t.strictSame(real.body, invented.body, path)
    }
    await t.rejects(quarantineRow(admin, 'q-0000000000000000'), { code: 'MDM_NOT_FOUND' })
    t.equal((await mdm(['quarantine', 'show', 'q-0000000000000000', '--json'])).code, 3)
    t.equal((await mdm(['quarantine', 'show', 'nonsense', '--json'])).code, 2)
  })

  const idOf = (name: string) => {
    const series = siteRows(grid, `select id, study, series, source from quarantine order by created, id`)
    return String(series[['a', 'b', 'c', 'd'].indexOf(name)]!['id'])
  }
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(idOf) as [string, string, string, string]

  await t.test(
    'retry reads the series as it is now: mended it is registered, and its row goes',
    async (t) => {
      const still = await mdm(['quarantine', 'retry', a, '--json'])
      t.match(still.json, { registered: [], refused: [{ quarantine: a, code: 'MDM_GEOMETRY_GAP' }] })
      for (const name of ['a', 'b', 'c', 'd']) {
        await rename(join(grid.source, name), join(grid.dir, name))
        await mended(name)
      }
      const both = await mdm(['quarantine', 'retry', '--json'], `${a}\n${b}\n`)
      t.equal(both.code, 0, both.stdout)
      t.equal(both.json.registered.length, 2, 'these two and no other')
      t.strictSame((await rows()).map(({ id }) => id).toSorted(), [c, d].toSorted())
      const ended = await records('quarantine-ended')
      t.strictSame(
        ended.map(({ facts }) => [facts['quarantine'], facts['why']]).toSorted(),
        [
          [a, 'registered'],
          [b, 'registered'],
        ].toSorted(),
      )
      t.equal((await mdm(['quarantine', 'retry', a, '--json'])).code, 3, 'what is gone is not there')
      for (const name of ['c', 'd']) {
        await rm(join(grid.source, name), { recursive: true })
        await rename(join(grid.dir, name), join(grid.source, name))
      }
    },
  )

  await t.test('a dropped row does not come back until the series has other content', async (t) => {
    t.equal((await mdm(['quarantine', 'drop', c, '--json'])).code, 2, 'a reason is needed')
    const dropped = await mdm(['quarantine', 'drop', c, '--reason', 'nobody will mend it', '--json'])
    t.strictSame(dropped.json, { dropped: [c] })
    t.match(await records('quarantine-dropped'), [
      {
        facts: { quarantine: c, reason: 'nobody will mend it' },
        caller: { dn: admin.credential.identity.dn },
      },
    ])
    t.strictSame(
      (await rows()).map(({ id }) => id),
      [d],
    )
    const again = await registerAll(admin)
    t.strictSame(again.filter((e) => e.type === 'refused').length, 1, 'd alone is refused aloud')
    t.match(
      again.filter((e) => e.type === 'dropped'),
      [{ quarantine: c }],
    )
    t.strictSame(
      (await rows()).map(({ id }) => id),
      [d],
    )
    t.equal((await mdm(['quarantine', 'drop', c, '--reason', 'once more', '--json'])).code, 3)
    await addSeries(grid.source, 'c', {
      slices: 5,
      attributes: (k: number) => ({ ImagePositionPatient: [0, 0, [0, 2, 4, 11, 13][k]!] }),
    })
    const changed = (await registerAll(admin)).flatMap((e) =>
      e.type === 'refused' ? [e.refused.quarantine] : [],
    )
    t.equal(changed.length, 2)
    t.notOk(changed.includes(c), 'another content is another row')
    t.equal((await rows()).length, 2)
  })

  await t.test('a row goes by itself when its series has left the source', async (t) => {
    await rm(join(grid.source, 'd'), { recursive: true })
    await registerAll(admin)
    t.notOk((await rows()).some(({ id }) => id === d))
    const why = (await records('quarantine-ended')).find(({ facts }) => facts['quarantine'] === d)
    t.equal(why?.facts['why'], 'left')
    t.strictSame(siteRows(grid, `select state from journal where state in ('PENDING', 'WAITING')`), [])
  })

  await t.test('nothing of a patient is in the audit log', async (t) => {
    t.notMatch(await audit(), /HELD|ID-[ABCD]/)
  })
})
