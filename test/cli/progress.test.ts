import t from 'tap'
import { Progress } from '../../packages/cli/src/progress.ts'

function screen(isTTY: boolean) {
  const written: string[] = []
  return { written, isTTY, columns: 80, write: (text: string) => written.push(text) }
}

t.test('what ends within a second is not announced', async (t) => {
  let now = 0
  const s = screen(true)
  const progress = new Progress('x', s, () => now)
  progress.bytes(0, 100)
  now = 900
  progress.bytes(100, 100)
  progress.end()
  t.strictSame(s.written, [])
})

t.test('a long transfer shows share, sizes, rate and time left, then wipes its line', async (t) => {
  let now = 0
  const s = screen(true)
  const progress = new Progress('x', s, () => now)
  progress.bytes(0, 8 << 20)
  now = 2000
  progress.bytes(2 << 20, 8 << 20)
  t.match(s.written.at(-1), /x {2} 25 % 2\.00 MiB of 8\.00 MiB 1\.00 MiB\/s eta 6\.0 s/)
  progress.end()
  t.equal(s.written.at(-1), '\r\u001b[K')
})

t.test('the rate of a resumed transfer counts only what came since', async (t) => {
  let now = 0
  const s = screen(true)
  const progress = new Progress('x', s, () => now)
  progress.bytes(6 << 20, 8 << 20)
  now = 2000
  progress.bytes(7 << 20, 8 << 20)
  t.match(s.written.at(-1), /512 KiB\/s eta 2\.0 s/)
})

t.test('the line is drawn five times a second at most and never wider than the terminal', async (t) => {
  let now = 0
  const s = screen(true)
  const progress = new Progress('n'.repeat(200), s, () => now)
  for (now = 0; now < 3000; now += 10) progress.bytes(now, 3000)
  t.ok(s.written.length <= 11, `${s.written.length} lines`)
  for (const line of s.written) t.ok(line.replace('\r\u001b[K', '').length < 80)
})

t.test('a file or a pipe gets no progress', async (t) => {
  let now = 0
  const s = screen(false)
  const progress = new Progress('x', s, () => now)
  now = 5000
  progress.count(1, 2)
  progress.end()
  t.strictSame(s.written, [])
})

t.test('another attempt is named, and its rate counts only what comes from then on', async (t) => {
  let now = 0
  const s = screen(true)
  const progress = new Progress('x', s, () => now)
  progress.bytes(6 << 20, 8 << 20)
  now = 60_000
  progress.end()
  progress.attempt(2, 5)
  progress.bytes(6 << 20, 8 << 20)
  now = 62_000
  progress.bytes(7 << 20, 8 << 20)
  t.match(s.written.at(-1), /512 KiB\/s eta 2\.0 s attempt 2 of 5/)
})
