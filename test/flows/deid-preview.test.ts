import t from 'tap'
import { previewSeries } from '@mdm/core/access/deid'
import { quarantined } from '@mdm/core/access/quarantine'
import type { QuarantineRow } from '@mdm/core/wire/quarantine'
import { runMdm } from '../fixtures/grid.ts'
import { plainRequest } from '../fixtures/plain-request.ts'
import { auditOf, siteRows } from '../server/register/invariants.ts'
import { addSeries, registerAll, startSiteGrid } from '../server/site-grid.ts'

t.setTimeout(600_000)

const PATIENT = { name: 'SECRET^NAME', id: 'ID-SECRET', birthDate: '19330405' }

t.test('an administrator sees what would leave of a series, and what would not', async (t) => {
  const grid = await startSiteGrid(t, { series: [] })
  const admin = await grid.as('admin')
  const written = await addSeries(grid.source, 'a', {
    patient: PATIENT,
    attributes: (k) => ({
      BurnedInAnnotation: k === 2 ? 'YES' : 'NO',
      SeriesDescription: 'T1 of SECRET',
      ProtocolName: 'T1 sagittal',
      ReferencedStudySequence: [{ StudyDescription: 'INSIDE' }],
    }),
  })
  const where = `series_uid=${written.series}`
  const looks = async () =>
    (await auditOf(grid.provisioned.site.dir)).filter(({ event }) => event === 'series-previewed')

  await t.test('before anything is registered, and nothing is by looking', async (t) => {
    const preview = await previewSeries(admin, { source: 'folder', where })
    t.match(preview, {
      source: 'folder',
      objects: 4,
      held: [{ objects: 1, released: false }],
      refused: [],
      volumeCount: 1,
      complete: true,
    })
    const [volume] = preview.volumes
    t.ok(volume!.header.includes('sizes: 8 6 4'))
    t.notMatch(volume!.header.join('\n'), /SECRET|1933/)
    const shown = (right: string) =>
      volume!.columns.filter(({ view }) => view === right).map(({ column, value }) => [column, value])
    t.strictSame(
      shown('basic').find(([column]) => column === 'modality'),
      ['modality', 'CT'],
    )
    t.notOk(
      volume!.columns.some(({ column }) => column === 'series_description'),
      'a description with the name in it goes to nobody',
    )
    t.ok(shown('read').some(([column, value]) => column === 'patient_name' && value === 'SECRET^NAME'))
    t.ok(
      shown('read').some(([column, value]) => column === 'patient_id' && value === '(made at registration)'),
    )
    t.notMatch(shown('research'), /SECRET/)
    const withheld = new Map(preview.withheld.map(({ path, ...rest }) => [path, rest]))
    t.match(withheld.get('00100010'), { name: 'PatientName', vr: 'PN', value: 'SECRET^NAME' })
    t.match(withheld.get('00280301'), { value: 'YES' }, 'the object that is held is the one that is shown')
    t.match(withheld.get('00081110[1].00081030'), { value: 'INSIDE' }, 'sequences too')
    t.notOk(withheld.has('00280010'), 'what leaves is not withheld')
    t.strictSame(siteRows(grid, 'select guid from volumes'), [])
    t.strictSame(siteRows(grid, 'select id from quarantine'), [])
    t.match(await looks(), [{ facts: { source: 'folder', objects: 4, series: preview.series } }])
  })

  await t.test('by its row and by its handle once it was refused', async (t) => {
    await registerAll(admin)
    const rows: QuarantineRow[] = []
    for await (const row of quarantined(admin)) rows.push(row)
    const id = rows.find(({ releasable }) => releasable)!.id
    const byRow = await previewSeries(admin, { quarantine: id })
    t.strictSame(await previewSeries(admin, { series: byRow.series }), byRow)
    const { config } = grid.provisioned.users.admin!
    const page = await runMdm(['deid', 'preview', id], { config })
    t.equal(page.code, 0, page.stderr)
    t.match(page.stdout, /HELD FOR A PERSON\n {2}1 objects: the pixels are said to hold annotations/)
    t.match(page.stdout, /00100010 +PatientName +PN +SECRET\^NAME/)
    t.equal((await runMdm(['deid', 'preview', '--json'], { config })).code, 2)
    t.equal((await runMdm(['deid', 'preview', 'nonsense', '--json'], { config })).code, 2)
  })

  await t.test('one series at a time, of those that are there', async (t) => {
    await addSeries(grid.source, 'b')
    await t.rejects(previewSeries(admin, { source: 'folder', where: 'modality=CT' }), { code: 'MDM_USAGE' })
    await t.rejects(previewSeries(admin, { source: 'elsewhere', where }), { code: 'MDM_USAGE' })
    await t.rejects(previewSeries(admin, { quarantine: 'q-0000000000000000' }), { code: 'MDM_NOT_FOUND' })
    await t.rejects(previewSeries(admin, { series: '0'.repeat(64) }), { code: 'MDM_NOT_FOUND' })
    await t.rejects(previewSeries(admin, {}), { code: 'MDM_USAGE' })
  })

  await t.test('everybody else is refused, whatever is asked for', async (t) => {
    const { config } = grid.provisioned.users.physician!
    const ask = (body: object) =>
      plainRequest(config, `${grid.provisioned.site.api}/v1/deid/preview`, { method: 'POST', body })
    const real = await ask({ source: 'folder', where })
    t.equal(real.status, 403)
    for (const body of [{ quarantine: 'q-0000000000000000' }, { source: 'x', where: 'modality=CT' }])
      t.strictSame((await ask(body)).body, real.body)
    t.equal((await looks()).length, 4, 'and nothing was looked at')
  })

  t.notMatch(JSON.stringify(await auditOf(grid.provisioned.site.dir)), /SECRET|INSIDE/)
  t.notMatch(grid.log.join(''), /SECRET|INSIDE/)
})
