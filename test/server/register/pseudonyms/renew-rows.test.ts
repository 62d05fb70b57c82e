import t from 'tap'
import { query } from '../../../../packages/core/src/access/metadata.ts'
import { addSeries, registerAll, startSiteGrid, until } from '../../site-grid.ts'
import { auditOf, changeSite, checkInvariants, siteRows } from '../invariants.ts'
import { guidsOf, keyRow, pseudonyms } from './looks.ts'

const jane = { name: 'DOE^JANE', id: 'RENEW-1' }
const john = { name: 'DOE^JOHN', id: 'RENEW-2' }

t.test('pseudonyms of an earlier version are renewed before anything is registered', async (t) => {
  const grid = await startSiteGrid(t, { series: [{ patient: jane }, { patient: jane }, { patient: john }] })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const wanted = siteRows(grid, 'select guid, patient_id from image order by guid')
  const standIns = siteRows(grid, 'select * from dicom order by guid')
  const { kid } = keyRow(grid)
  await grid.stopSite()
  // As version 0.1 left it: no stand-ins of UIDs, and pseudonyms made by a key on the disk.
  for (const table of ['patient', 'image'])
    changeSite(
      grid,
      `update ${table} set patient_id = 'p0_' || substr(patient_id, 4) where patient_id like 'p1_%'`,
    )
  changeSite(
    grid,
    'update dicom set study_pseudonym = null, series_pseudonym = null, frame_of_reference_pseudonym = null',
  )
  changeSite(grid, `update versions set profile = '113100'`)
  changeSite(grid, 'delete from outbox')
  await grid.stopKeyServer(0)
  await grid.stopKeyServer(1)
  await grid.startSite()
  t.equal(
    pseudonyms(grid).filter((text) => text.startsWith('p0_')).length,
    2,
    'without its key nothing is renewed',
  )
  t.equal((await query(admin, `patient_id='${pseudonyms(grid)[0]!}'`)).rows.length > 0, true)
  await addSeries(grid.source, 'more', { patient: john })
  await registerAll(admin)
  await grid.startKeyServer(0)
  await until(async () => pseudonyms(grid).every((text) => text.startsWith('p1_')))
  t.same(siteRows(grid, 'select guid, patient_id from image order by guid'), wanted)
  t.same(siteRows(grid, 'select * from dicom order by guid'), standIns)
  await grid.startKeyServer(1)
  await until(async () => (await guidsOf(admin)).length === 4)
  t.equal(keyRow(grid).kid, kid)
  t.strictSame(
    pseudonyms(grid).toSorted(),
    [...new Set(wanted.map((row) => String(row.patient_id)))].toSorted(),
  )
  t.same(
    siteRows(grid, 'select profile, count(*) as n from versions group by profile order by profile').map(
      ({ profile, n }) => [profile, Number(n)],
    ),
    [
      ['113100', 3],
      ['113100-2024b', 1],
    ],
    'a version keeps the profile it was registered under',
  )
  const renewed = (await auditOf(grid.provisioned.site.dir)).filter(
    ({ event }) => event === 'pseudonyms-renewed',
  )
  t.match(renewed, [{ facts: { versions: 3 } }])
  t.equal(renewed.length, 1)
  await checkInvariants(t, grid, admin, 4)
})
