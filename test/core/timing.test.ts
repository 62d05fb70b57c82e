import t from 'tap'
import { exclusiveTimes, formatServerTiming, parseServerTiming, Timing } from '@mdm/core/timing'

t.test('exclusive, overlapped and other times add up to the whole', async (t) => {
  const rows = [
    { name: 'access-control', startMs: 0, endMs: 10 },
    { name: 'retrieve-key', startMs: 10, endMs: 40 },
    { name: 'dicom-transaction', startMs: 20, endMs: 70 },
  ]
  const { lines, overlappedMs, otherMs } = exclusiveTimes(rows, 100)
  t.same(
    lines.map((l) => l.exclusiveMs),
    [10, 10, 30],
  )
  t.equal(overlappedMs, 20, 'two at once')
  t.equal(otherMs, 30, 'none')
  const percent = lines.reduce((sum, l) => sum + l.percent, 0) + overlappedMs + otherMs
  t.equal(percent, 100)
})

t.test('a step that outlasts the whole is cut at its end', async (t) => {
  const { lines } = exclusiveTimes([{ name: 'read', startMs: 90, endMs: 120 }], 100)
  t.equal(lines[0]!.exclusiveMs, 10)
})

t.test('rows travel as Server-Timing, and anything else in the header is left out', async (t) => {
  const rows = [{ name: 'retrieve-key', startMs: 1.5, endMs: 3.75 }]
  t.same(parseServerTiming(formatServerTiming(rows)), rows)
  t.same(parseServerTiming('cache;desc="x", total;dur=4, retrieve-key;dur=1.000;start=2.000'), [
    { name: 'retrieve-key', startMs: 2, endMs: 3 },
  ])
  t.same(parseServerTiming(''), [])
})

t.test('a step is recorded whether it succeeds or throws', async (t) => {
  const timing = new Timing()
  await timing.measure('open', async () => 1)
  await t.rejects(timing.measure('read', async () => Promise.reject(new Error('cut'))))
  t.same(
    timing.rows.map((r) => r.name),
    ['open', 'read'],
  )
  timing.adopt([{ name: 'retrieve-key', startMs: 1, endMs: 2 }], 100)
  t.same(timing.rows.at(-1), { name: 'retrieve-key', startMs: 101, endMs: 102 })
})
