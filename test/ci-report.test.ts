import t from 'tap'
import { slowest, summarise } from './fixtures/ci-report.ts'

async function* lines(text: string): AsyncGenerator<string> {
  yield* text.split('\n')
}

const GOOD = `TAP version 14
1..1
# Subtest: test/a.test.ts
    # Subtest: a group
        ok 1 - one
        # Subtest: inside
            ok 1 - two
            1..1
        ok 2 - inside # time=1ms
        1..2
    ok 1 - a group # time=2.5ms
    1..1
ok 1 - test/a.test.ts # time=1234.5ms`

t.test('the report counts checks, not the groups around them', async (t) => {
  const said: string[] = []
  const summary = await summarise(lines(GOOD), (line) => said.push(line))
  t.match(summary, { passed: 2, failed: 0, skipped: [] })
  t.strictSame(summary.files, [{ name: 'test/a.test.ts', ok: true, ms: 1234.5 }])
  t.strictSame(said, ['ok        1.2 s  test/a.test.ts'])
})

t.test('a failed check is named with its groups, and its diagnosis is shown', async (t) => {
  const said: string[] = []
  const bad = GOOD.replace(
    'ok 1 - two',
    'not ok 1 - two\n              ---\n              diff: x\n              ...',
  )
  t.match(await summarise(lines(bad), (line) => said.push(line)), { passed: 1, failed: 1 })
  t.ok(said.includes('not ok: test/a.test.ts > a group > inside > two'))
  t.ok(said.some((line) => line.includes('diff: x')))
})

t.test('a skipped check counts as failed, however it is spelled', async (t) => {
  for (const text of ['ok 1 - two # SKIP no data', 'ok 1 - skipped: no data', 'ok 1 - two # TODO later'])
    t.match(
      await summarise(lines(GOOD.replace('ok 1 - two', text)), () => {}),
      { passed: 1, failed: 1 },
      text,
    )
})

t.test(
  'a run that ends before its plan, and a file that fails with no failed check, count as failed',
  async (t) => {
    t.match(await summarise(lines(GOOD.replace('1..1\n', '1..2\n')), () => {}), { passed: 2, failed: 1 })
    t.match(await summarise(lines(GOOD.replace('\nok 1 - test', '\nnot ok 1 - test')), () => {}), {
      failed: 1,
    })
    t.match(await summarise(lines(''), () => {}), { passed: 0, failed: 1 })
  },
)

t.test('the slowest ten files are shown, slowest first', async (t) => {
  const files = Array.from({ length: 12 }, (_, i) => ({ name: `f${i}`, ok: true, ms: i * 1000 }))
  t.equal(slowest(files).length, 10)
  t.equal(slowest(files)[0], '   11.0 s  f11')
})
