import t from 'tap'
import { MdmError } from '../../../packages/core/src/errors.ts'
import { parseQuery } from '../../../packages/core/src/query/grammar.ts'

t.test('one comparison is read with its operator, column and value', async (t) => {
  for (const operator of ['=', '!=', '<', '<=', '>', '>='] as const) {
    for (const text of [`rows${operator}256`, `rows ${operator} 256`, ` Rows\t${operator}\n256 `]) {
      const { comparisons } = parseQuery(text)
      t.equal(comparisons.length, 1)
      t.match(comparisons[0], { column: 'rows', operator, value: { text: '256', quoted: false } })
    }
  }
})

t.test('comparisons are joined by "and", in any case', async (t) => {
  const { comparisons } = parseQuery(`modality=MR and rows>=256 AND patient_name='DOE^J'`)
  t.strictSame(
    comparisons.map((c) => [c.column, c.operator, c.value.text]),
    [
      ['modality', '=', 'MR'],
      ['rows', '>=', '256'],
      ['patient_name', '=', 'DOE^J'],
    ],
  )
  t.strictSame(
    comparisons.map((c) => c.position),
    [1, 17, 31],
  )
})

t.test('a quoted value may hold spaces, operators, "and" and its own quote written twice', async (t) => {
  const values = [
    [`a='x and y'`, 'x and y'],
    [`a="x and y"`, 'x and y'],
    [`a='O''Neil'`, `O'Neil`],
    [`a="say ""no"""`, 'say "no"'],
    [`a='<=>!'`, '<=>!'],
    [`a=''`, ''],
    [`a='"'`, '"'],
  ] as const
  for (const [text, value] of values)
    t.match(parseQuery(text).comparisons[0].value, { text: value, quoted: true })
})

t.test('a bare value ends at a space, a quote or an operator', async (t) => {
  t.equal(parseQuery('patient_name=DOE^JANE and a=1').comparisons[0].value.text, 'DOE^JANE')
  t.equal(parseQuery('acquired>=2006-03-01').comparisons[0].value.text, '2006-03-01')
  t.equal(parseQuery('a=android').comparisons[0].value.text, 'android')
  t.equal(parseQuery('android=1').comparisons[0].column, 'android')
})

t.test('a column may name its table', async (t) => {
  t.equal(parseQuery('Image.Rows=3').comparisons[0].column, 'image.rows')
})

t.test('what is not understood is refused where reading stopped, without its text', async (t) => {
  const faults: [string, number][] = [
    ['', 1],
    ['   ', 4],
    ['and', 1],
    ['=3', 1],
    ['rows', 5],
    ['rows 256', 6],
    ['rows=', 6],
    ['rows= and a=1', 7],
    ['rows==256', 6],
    ['rows=256 or a=1', 10],
    ['rows=256 and', 13],
    ['rows=256 a=1', 10],
    [`name='DOE`, 6],
    ['name="DOE', 6],
    ['a.b.c=1', 4],
    [`rows='1'x`, 9],
    ['rows ~ 3', 6],
  ]
  for (const [text, position] of faults) {
    const error = thrownBy(() => parseQuery(text))
    t.match(
      error,
      { code: 'MDM_QUERY', exitCode: 2, details: { position } },
      `"${text}" stops at ${position}`,
    )
    t.notMatch(error.message, /DOE/)
  }
})

t.test('a query has at most 32 comparisons', async (t) => {
  const many = (n: number) => Array.from({ length: n }, () => 'rows=1').join(' and ')
  t.equal(parseQuery(many(32)).comparisons.length, 32)
  t.throws(() => parseQuery(many(33)), { code: 'MDM_QUERY' })
})

t.test('a long hostile text is refused quickly', async (t) => {
  const start = process.cpuUsage()
  for (const text of [
    `a='${"''".repeat(100_000)}`,
    'a='.repeat(50_000),
    ' '.repeat(200_000),
    `a=${'b'.repeat(200_000)}'`,
  ]) {
    t.throws(() => parseQuery(text), { code: 'MDM_QUERY' })
  }
  t.ok(process.cpuUsage(start).user < 1_000_000, 'less than a second of a processor')
})

function thrownBy(act: () => unknown): MdmError {
  try {
    act()
  } catch (error) {
    if (error instanceof MdmError) return error
  }
  throw new Error('this is no refusal')
}
