import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import t from 'tap'
import {
  againOf,
  countOutcomes,
  outcomeOf,
  RegisterReportFile,
  ReportedOutcome,
} from '../../packages/core/src/register-report.ts'
import { RegisterEvent } from '../../packages/core/src/wire/register.ts'

const page = await readFile(resolve(import.meta.dirname, '../../docs/formats/register-report.md'), 'utf8')
const example = JSON.parse(/```json\n([\s\S]*?)```/.exec(page)![1]!) as RegisterReportFile

t.test(
  'the example of the format is a report, and what is fed back of it is the refused series',
  async (t) => {
    const report = RegisterReportFile.parse(example)
    t.strictSame(countOutcomes(report.outcomes), report.counts)
    t.strictSame(againOf(report), [`${'0'.repeat(63)}3`])
  },
)

t.test('a report that says more, or something else, is refused', async (t) => {
  const wrong: object[] = [
    { format: 'other' },
    { version: 2 },
    { patient: 'DOE^J' },
    { site: '../x' },
    { outcomes: [{ outcome: 'registered', patient: 'DOE^J' }] },
    { outcomes: [{ outcome: 'failed', series: '1.2.840.1' }] },
    { counts: { registered: 1 } },
  ]
  for (const change of wrong)
    t.notOk(RegisterReportFile.safeParse({ ...example, ...change }).success, JSON.stringify(change))
})

t.test('every outcome of the wire has its place in a report, and the page names it', async (t) => {
  const kinds = RegisterEvent.options.map((option) => option.shape.type.value)
  const outcomes = ReportedOutcome.shape.outcome.options
  t.strictSame(
    kinds.filter((kind) => !['progress', 'done', 'error', 'set'].includes(kind)).toSorted(),
    [...outcomes].toSorted(),
  )
  for (const outcome of outcomes) t.match(page, `| \`${outcome}\` |`)
  const series = 'a'.repeat(64)
  t.strictSame(outcomeOf({ type: 'failed', code: 'MDM_STORE', series }), {
    ...{ series, outcome: 'failed', code: 'MDM_STORE' },
  })
  t.equal(outcomeOf({ type: 'progress', done: 1, total: 2 }), undefined)
})

t.test('each series is tried again once', async (t) => {
  const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string]
  const outcomes: ReportedOutcome[] = [
    { series: a, outcome: 'refused', code: 'MDM_PIXELS', quarantine: 'q-0123456789abcdef' },
    { series: a, outcome: 'refused', code: 'MDM_DICOM', quarantine: 'q-0123456789abcde0' },
    { series: b, outcome: 'waiting', code: 'MDM_WAITING' },
    { series: c, outcome: 'gone' },
    { outcome: 'refused', code: 'MDM_DICOM', quarantine: 'q-0123456789abcde1' },
  ]
  t.strictSame(againOf({ outcomes }), [a, b])
})
