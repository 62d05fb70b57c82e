import t from 'tap'
import { seriesFilter } from '../../../packages/server/src/register/series-filter.ts'

t.test('an expression becomes what a source can be asked for', async (t) => {
  const cases: [string, ReturnType<typeof seriesFilter>][] = [
    ['modality=MR', { modality: 'MR' }],
    ['modality = MR AND study_date>=20240101', { modality: 'MR', studyDate: { from: '20240101' } }],
    ['study_date>=2024-01-01 and study_date<=20240131', { studyDate: { from: '20240101', to: '20240131' } }],
    ['study_date>20231231 and study_date<20240301', { studyDate: { from: '20240101', to: '20240229' } }],
    ['study_date=20240229', { studyDate: { from: '20240229', to: '20240229' } }],
    [`source_patient_id='A 1'`, { patientId: 'A 1' }],
    ['study_uid=1.2.3 and series_uid=1.2.3.4', { study: '1.2.3', series: '1.2.3.4' }],
  ]
  for (const [expression, filter] of cases) t.strictSame(seriesFilter(expression), filter, expression)
})

t.test('what a source cannot be asked for is refused at its place, without the value', async (t) => {
  const cases: [string, number][] = [
    ['rows>=256', 1],
    ['modality=MR and patient_id=SECRET', 17],
    ['modality!=MR', 1],
    ['modality>=MR', 1],
    ['modality=SECRET-1', 1],
    ['modality=MR and modality=CT', 17],
    ['study_date!=20240101', 1],
    ['study_date=20240101 and study_date>=20240101', 25],
    ['study_date>20240101 and study_date>=20240102', 25],
    ['study_date=SECRET', 12],
    ['source_patient_id=SECRET*', 1],
    ['source_patient_id=SECRET?', 1],
    ["source_patient_id='SECRET\\A'", 1],
    ['series_uid=1.2.*', 1],
    ['study_uid=SECRET', 1],
    ['modality=MR or modality=CT', 13],
  ]
  for (const [expression, position] of cases) {
    try {
      seriesFilter(expression)
      t.fail(expression)
    } catch (error) {
      t.match(error, { code: 'MDM_QUERY', details: { position } }, expression)
      t.notMatch(String(error), /SECRET/, expression)
    }
  }
})
