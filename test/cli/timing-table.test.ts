import t from 'tap'
import { formatTimings, timingReport } from '../../packages/cli/src/timing-table.ts'

const row = (name: string, startMs: number, endMs: number) => ({ name, startMs, endMs })

t.test('shares are of the time a step was alone, and sum to 100 with overlapped and other', async (t) => {
  const report = await timingReport(
    [
      row('access-control', 0, 10),
      row('dicom-transaction', 10, 60),
      row('client-retrieve-key', 40, 70),
      row('read', 80, 95),
    ],
    100,
  )
  const exclusive = Object.fromEntries(
    report.rows.filter((r) => r.startMs !== null).map((r) => [r.name, r.exclusiveMs]),
  )
  t.strictSame(exclusive, {
    'access-control': 10,
    'dicom-transaction': 30,
    'client-retrieve-key': 10,
    read: 15,
  })
  t.equal(report.overlapped.exclusiveMs, 20)
  t.equal(report.other.exclusiveMs, 15)
  const sum = report.rows.reduce(
    (total, r) => total + r.percent,
    report.overlapped.percent + report.other.percent,
  )
  t.equal(Math.round(sum * 1e6) / 1e6, 100)
})

t.test(
  'rows come in the order and with the names of the paper’s Figure 4, a step in pieces as one',
  async (t) => {
    const report = await timingReport(
      [row('read', 8, 9), row('read', 6, 7), row('access-control', 1, 2), row('mystery', 3, 4)],
      10,
    )
    t.strictSame(
      report.rows.map((r) => r.label),
      [
        'open: access control',
        'open: resolve SURL',
        'open: SRM get: retrieve key',
        'open: SRM get: DICOM transaction',
        'open: open overhead',
        'decryption init: retrieve key',
        'decryption init: init overhead',
        'read',
        'mystery',
      ],
    )
    t.match(
      report.rows[3],
      { startMs: null, endMs: null, exclusiveMs: 0, percent: 0 },
      'not needed this time',
    )
    t.match(report.rows[7], { startMs: 6, endMs: 9, exclusiveMs: 2 })
  },
)

t.test('what an enclosing step does not explain is its overhead', async (t) => {
  const report = await timingReport(
    [row('open', 0, 50), row('access-control', 5, 10), row('dicom-transaction', 20, 40), row('read', 50, 60)],
    60,
  )
  t.match(
    report.rows.find((r) => r.name === 'open-overhead'),
    { label: 'open: open overhead', exclusiveMs: 25 },
  )
  t.equal(report.other.exclusiveMs, 0)
})

t.test('the printed table ends with the total', async (t) => {
  const text = formatTimings(await timingReport([row('access-control', 0, 25)], 100))
  t.match(text, /^step +start ms +end ms +alone ms +share\n/)
  t.match(text, /open: access control +0\.0 +25\.0 +25\.0 +25\.0 %\n/)
  t.match(text, /other +75\.0 +75\.0 %\ntotal +0\.0 +100\.0 +100\.0 +100\.0 %\n$/)
})

t.test('a get over SRM has its own rows, and none that it cannot know', async (t) => {
  const measured = [row('srm-prepare', 0, 20), row('srm-wait', 20, 60), row('srm-prepare', 60, 70)]
  const { rows } = await timingReport([...measured, row('srm-transfer', 70, 100)], 100)
  t.match(rows, [
    { name: 'srm-prepare', startMs: 0, endMs: 70, exclusiveMs: 30 },
    { name: 'srm-wait', percent: 40 },
    { name: 'srm-transfer', percent: 30 },
  ])
  t.equal(rows.length, 3)
})
