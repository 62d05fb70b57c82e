import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import { RegisterReportFile } from '@mdm/core/register-report'
import type { RegisterCounts } from '@mdm/core/wire/register'
import type { DicomSource, SeriesRef } from '@mdm/server/dicom/source'
import { runMdm } from '../fixtures/grid.ts'
import { siteRows } from '../server/register/invariants.ts'
import { addSeries, registerAll, startSiteGrid } from '../server/site-grid.ts'

t.setTimeout(600_000)

/** What a source was asked, and which series fails. */
interface Watched {
  headers: number
  count: number
  fails: ((ref: SeriesRef) => MdmError | undefined) | undefined
}

const watch =
  (seen: Watched) =>
  (source: DicomSource): DicomSource => ({
    ...source,
    count: (ref, signal) => {
      seen.count++
      return source.count(ref, signal)
    },
    headers: (ref, signal) => {
      seen.headers++
      const error = seen.fails?.(ref)
      if (error === undefined) return source.headers(ref, signal)
      return (async function* () {
        throw error
      })()
    },
  })

t.test('a part of a source is registered, again and again until all is done', async (t) => {
  const seen: Watched = { headers: 0, count: 0, fails: undefined }
  const grid = await startSiteGrid(t, { series: [], site: { through: watch(seen), retryMs: 60_000 } })
  const admin = await grid.as('admin')
  const { config } = grid.provisioned.users.admin!
  const mdm = (...args: string[]) => runMdm(args, { config })
  const file = (name: string) => join(grid.dir, name)
  const reportOf = async (name: string) =>
    RegisterReportFile.parse(JSON.parse(await readFile(file(name), 'utf8')))
  const counted = (counts: RegisterCounts) =>
    Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
  const dated = (date: string) => ({ attributes: () => ({ StudyDate: date }) })

  const patient = { name: 'BACKFILL^BERTA', id: 'PID-BACKFILL' }
  for (let i = 0; i < 4; i++)
    await addSeries(grid.source, `mr-${i}`, { modality: 'MR', patient, ...dated(`2024010${i + 1}`) })
  await addSeries(grid.source, 'ct', { modality: 'CT', ...dated('20240102') })
  await addSeries(grid.source, 'old', { modality: 'MR', ...dated('20231231') })
  const where = 'modality=MR and study_date>=2024-01-01'
  const fill = ['register', '--source', 'folder', '--where', where, '--report', file('r.json'), '--json']

  await t.test('what fails is reported by a handle, and the others are registered', async (t) => {
    let bad: string | undefined
    seen.fails = (ref) => {
      bad ??= ref.series
      return ref.series === bad ? new MdmError('MDM_SOURCE_INCOMPLETE') : undefined
    }
    const run = await mdm(...fill)
    t.equal(run.code, 5)
    t.equal(run.json.error.code, 'MDM_SOURCE_INCOMPLETE')
    const report = await reportOf('r.json')
    t.match(report, { site: 'demo', source: 'folder', filtered: true, complete: false })
    t.equal(report.code, 'MDM_SOURCE_INCOMPLETE')
    t.strictSame(counted(report.counts), { registered: 3, failed: 1 })
    const text = await readFile(file('r.json'), 'utf8')
    t.notMatch(text, /BACKFILL|2\.25\.|1\.2\.|20240101|study_date/, 'nobody and nothing is identified')
  })

  await t.test('the report is fed back: only what failed is tried', async (t) => {
    seen.fails = undefined
    seen.headers = 0
    const run = await mdm('register', '--again', file('r.json'), '--report', file('r2.json'), '--json')
    t.equal(run.code, 0, run.stdout)
    t.equal(run.json.registered.length, 1)
    t.equal(seen.headers, 1)
    t.match(await reportOf('r2.json'), {
      complete: true,
      filtered: true,
      outcomes: [{ outcome: 'registered' }],
    })
    const done = await mdm('register', '--again', file('r2.json'), '--json')
    const none = { registered: [], already: [], returned: [], gone: [], refused: [], failed: [], sets: [] }
    t.strictSame(done.json, none)
  })

  await t.test('a second run reads no header of what is known; --recheck does', async (t) => {
    Object.assign(seen, { headers: 0, count: 0 })
    const run = await mdm(...fill)
    t.equal(run.json.already.length, 4)
    t.strictSame([seen.headers, seen.count], [0, 0], 'the source told the counts unasked')
    t.match(await reportOf('r.json'), { complete: true, counts: { already: 4 } })
    t.equal((await mdm(...fill, '--recheck')).json.already.length, 4)
    t.equal(seen.headers, 4)
    const whole = await mdm('register', '--no-recheck', '--json')
    t.equal(whole.json.registered.length, 2, 'what the filter had left out')
    t.equal(seen.headers, 6)
  })

  await t.test('late slices are seen by the count', async (t) => {
    await addSeries(grid.source, 'mr-1', { modality: 'MR', patient, slices: 5, ...dated('20240102') })
    const run = await mdm(...fill)
    t.match(run.json.registered, [{ version: 2, instances: 5 }])
    t.equal(run.json.already.length, 3)
  })

  await t.test('a filtered look does not take what it did not ask for as gone', async (t) => {
    await rename(join(grid.source, 'ct'), file('ct'))
    t.strictSame((await mdm(...fill)).json.gone, [])
    t.equal((await mdm('register', '--json')).json.gone.length, 1)
    await rename(file('ct'), join(grid.source, 'ct'))
    t.equal((await mdm('register', '--no-recheck', '--json')).json.returned.length, 1, 'gone is not skipped')
  })

  await t.test('a source that is away ends it early, and the report is there', async (t) => {
    seen.fails = () => new MdmError('MDM_SOURCE_UNREACHABLE')
    seen.headers = 0
    const run = await mdm(...fill, '--recheck')
    t.equal(run.code, 5)
    t.equal(seen.headers, 3, 'three in a row are enough')
    t.match(await reportOf('r.json'), {
      complete: false,
      code: 'MDM_SOURCE_UNREACHABLE',
      counts: { failed: 3 },
    })
    seen.fails = undefined
    await mdm('register', '--again', file('r.json'), '--json')
  })

  await t.test('a site that is restarted meanwhile goes on where it was', async (t) => {
    for (let i = 0; i < 3; i++)
      await addSeries(grid.source, `late-${i}`, { modality: 'MR', ...dated('20240601') })
    let reached = 0
    await grid.stopSite()
    await grid.startSite({
      after: (step) => {
        if (step === 'J1' && ++reached === 2) void grid.stopSite()
      },
    })
    const run = await mdm(...fill)
    t.not(run.code, 0)
    t.equal((await reportOf('r.json')).complete, false)
    await grid.stopSite()
    await grid.startSite({ after: () => {} })
    const again = await mdm(...fill)
    t.equal(again.code, 0, again.stdout)
    const report = await reportOf('r.json')
    t.equal(report.complete, true)
    t.equal(report.counts.registered + report.counts.already, 7, 'all four and three')
    t.equal(Number(siteRows(grid, 'select count(*) as n from volumes')[0]!['n']), 9)
  })

  await t.test('what a source cannot be asked for is refused without the values', async (t) => {
    for (const wrong of [
      'patient_id=PID-BACKFILL',
      'rows>=2',
      'modality!=MR',
      'source_patient_id=PID*',
      'study_date=20241341',
      'modality=MR and modality=CT',
    ]) {
      await t.rejects(registerAll(admin, { where: wrong }), { code: 'MDM_QUERY' }, wrong)
    }
    const told = await mdm('register', '--where', 'source_patient_id=PID*', '--json')
    t.equal(told.json.error.code, 'MDM_QUERY')
    t.notMatch(told.stdout, /PID/)
    t.equal(
      (await mdm('register', '--source', 'folder', '--where', `source_patient_id=${patient.id}`)).code,
      0,
    )
    t.notMatch(grid.log.join(''), /PID-BACKFILL|BERTA/)
    const audit = await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8')
    t.notMatch(audit, /PID-BACKFILL|study_date/)
    t.match(audit, /"filtered":true/)
  })

  await t.test('a file that is no report of this site is refused', async (t) => {
    const report = await reportOf('r.json')
    for (const text of ['nonsense', JSON.stringify({ ...report, site: 'other' })]) {
      await writeFile(file('bad.json'), text)
      t.equal((await mdm('register', '--again', file('bad.json'), '--json')).json.error.code, 'MDM_USAGE')
    }
    const outcomes = [{ outcome: 'failed', series: 'f'.repeat(64), code: 'MDM_SOURCE_INCOMPLETE' }]
    await writeFile(file('bad.json'), JSON.stringify({ ...report, outcomes }))
    const unknown = await mdm('register', '--again', file('bad.json'), '--json')
    t.match(unknown.json.failed, [{ code: 'MDM_NOT_FOUND' }], 'a series that it does not know')
    await rm(file('bad.json'))
    t.equal((await registerAll(admin)).at(-1)!.type, 'done')
  })
})
