import { createHash } from 'node:crypto'
import { appendFileSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openAudit } from '../../../packages/server/src/audit/audit.ts'

const event = (name: string) => ({ event: name, outcome: 'done' as const })
const logFile = (t: Test) => join(t.testdir(), 'audit.jsonl')

function linesOf(file: string): Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

async function withEvents(file: string, ...names: string[]): Promise<void> {
  const audit = await openAudit(file)
  for (const name of names) await audit.record(event(name))
  await audit.close()
}

t.test('every line names its place and the hash of the line before it', async (t) => {
  const file = logFile(t)
  const audit = await openAudit(file, { now: () => new Date('2026-01-02T03:04:05.678Z') })
  await audit.record({ ...event('shares-released'), guid: 'g', facts: { shares: 1 } })
  await Promise.all([audit.record(event('b')), audit.record(event('c')), audit.record(event('d'))])
  await audit.close()
  const raw = readFileSync(file, 'utf8').split('\n')
  t.strictSame(
    linesOf(file).map((line) => [line.seq, line.prev, line.event]),
    [null, ...raw.slice(0, 3).map((line) => createHash('sha256').update(line).digest('hex'))].map(
      (prev, seq) => [seq, prev, ['shares-released', 'b', 'c', 'd'][seq]],
    ),
  )
  t.equal(linesOf(file)[0]?.time, '2026-01-02T03:04:05.678Z')
  t.equal(statSync(file).mode & 0o777, 0o600)
})

t.test('a record is in the file when the call resolves', async (t) => {
  const file = logFile(t)
  const audit = await openAudit(file)
  t.teardown(() => audit.close())
  await audit.record(event('a'))
  t.equal(linesOf(file).length, 1)
})

t.test('a last line torn by a crash is cut, and the chain goes on', async (t) => {
  const file = logFile(t)
  await withEvents(file, 'a', 'b')
  appendFileSync(file, '{"seq":2,"prev":"12')
  await withEvents(file, 'c')
  t.strictSame(
    linesOf(file).map((line) => line.event),
    ['a', 'b', 'c'],
  )
  await withEvents(file)
})

t.test('an edited, swapped, missing or inserted line is named and nothing is opened', async (t) => {
  const file = logFile(t)
  await withEvents(file, 'a', 'b', 'c')
  const good = readFileSync(file, 'utf8')
  const [a = '', b = '', c = ''] = good.split('\n')
  const spoiled = {
    edited: [a, b.replace('"b"', '"x"'), c],
    swapped: [b, a, c],
    missing: [a, c],
    inserted: [a, a, b, c],
    garbage: [a, 'null', b, c],
  }
  for (const [how, lines] of Object.entries(spoiled)) {
    writeFileSync(file, `${lines.join('\n')}\n`)
    await t.rejects(openAudit(file), { code: 'MDM_INTEGRITY' }, how)
    t.equal(readFileSync(file, 'utf8'), `${lines.join('\n')}\n`, `${how}: the evidence stays`)
  }
})

t.test('a log that was moved away refuses records, and goes on when it is back', async (t) => {
  const file = logFile(t)
  const audit = await openAudit(file)
  t.teardown(() => audit.close())
  await audit.record(event('a'))
  renameSync(file, `${file}.away`)
  await t.rejects(audit.record(event('lost')), { code: 'MDM_AUDIT' })
  t.equal(audit.writable, false)
  writeFileSync(file, '')
  await t.rejects(audit.record(event('lost')), { code: 'MDM_AUDIT' }, 'another file in its place')
  renameSync(`${file}.away`, file)
  await audit.record(event('b'))
  t.equal(audit.writable, true)
  t.strictSame(
    linesOf(file).map((line) => line.event),
    ['a', 'b'],
  )
})

t.test('a log that failed is tried again by itself, and says how many records it refused', async (t) => {
  const file = logFile(t)
  const audit = await openAudit(file, { retryMs: 20 })
  t.teardown(() => audit.close())
  await audit.record(event('a'))
  renameSync(file, `${file}.away`)
  for (let i = 0; i < 3; i++) await t.rejects(audit.record(event('lost')), { code: 'MDM_AUDIT' })
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(audit.writable, false, 'it was tried meanwhile')
  renameSync(`${file}.away`, file)
  while (!audit.writable) await new Promise((resolve) => setTimeout(resolve, 10))
  t.match(linesOf(file), [{ event: 'a' }, { event: 'audit-resumed', facts: { refused: 3 } }])
  t.equal(audit.records, 2)
})

t.test('what a failed write left behind is cut before the next record', async (t) => {
  const file = logFile(t)
  const audit = await openAudit(file)
  await audit.record(event('a'))
  appendFileSync(file, '{"half a rec')
  await audit.record(event('b'))
  await audit.close()
  await withEvents(file, 'c')
  t.equal(linesOf(file).length, 3)
})

t.test('an event id is written once, also after a restart', async (t) => {
  const file = logFile(t)
  const first = await openAudit(file)
  await Promise.all([1, 2].map(() => first.record({ ...event('volume-registered'), eventId: 'e1' })))
  await first.record({ ...event('volume-registered'), eventId: 'e1' })
  await first.close()
  const second = await openAudit(file)
  await second.record({ ...event('volume-registered'), eventId: 'e1' })
  await second.record({ ...event('volume-registered'), eventId: 'e2' })
  await second.close()
  t.strictSame(
    linesOf(file).map((line) => line.eventId),
    ['e1', 'e2'],
  )
})

t.test('a log cut at a line end is shorter but whole: only a witness can tell', async (t) => {
  const file = logFile(t)
  await withEvents(file, 'a', 'b')
  truncateSync(file, readFileSync(file, 'utf8').indexOf('\n') + 1)
  await withEvents(file, 'c')
  t.equal(linesOf(file).length, 2)
})

t.test('after close nothing is taken', async (t) => {
  const audit = await openAudit(logFile(t))
  await audit.close()
  await t.rejects(audit.record(event('a')), { code: 'MDM_AUDIT' })
  await t.rejects(openAudit(join(t.testdir(), 'absent', 'audit.jsonl')), { code: 'MDM_AUDIT' })
})
