import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { openAudit } from '../../../packages/server/src/audit/audit.ts'
import { readLines } from '../../../packages/server/src/audit/lines.ts'
import { parseCheckpoint, verifyAudit, verifyLines } from '../../../packages/server/src/audit/verify.ts'

const bin = resolve(import.meta.dirname, '../../../packages/server/bin/run.js')

async function logOf(t: Test, records: number): Promise<{ file: string; lines: string[] }> {
  const file = join(t.testdir(), 'audit.jsonl')
  const audit = await openAudit(file)
  const caller = { dn: 'CN=Ann Lee,O=Lab', issuer: 'CN=CA', spki: 'ab'.repeat(32) }
  await Promise.all(
    Array.from({ length: records }, (_, i) =>
      audit.record({ event: 'shares-released', outcome: 'done', caller, facts: { shares: i } }),
    ),
  )
  await audit.close()
  return { file, lines: readFileSync(file, 'utf8').split('\n').slice(0, -1) }
}

/** A file in memory: 10,000 real ones would only try the disk. */
function heldIn(content: Buffer): FileHandle {
  const read = async (to: Buffer, offset: number, length: number, position: number) => ({
    bytesRead: content.copy(to, offset, position, position + length),
    buffer: to,
  })
  return { read } as unknown as FileHandle
}

/** The same numbers in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

t.test('a log that nobody altered verifies, and says where it ends', async (t) => {
  const { file, lines } = await logOf(t, 5)
  const report = await verifyAudit(file)
  t.match(report, { records: 5, head: { seq: 4 }, tornBytes: 0, fault: undefined })
  t.equal(report.times?.[0], (JSON.parse(lines[0]!) as { time: string }).time)
  t.match(await verifyAudit(file, report.head), { fault: undefined }, 'it is its own checkpoint')
  writeFileSync(file, '')
  t.match(await verifyAudit(file), { records: 0, head: undefined, fault: undefined })
  await t.rejects(verifyAudit(`${file}.absent`), { code: 'MDM_FILE' })
})

t.test('each way to alter a log is told apart and names the record', async (t) => {
  const { file, lines } = await logOf(t, 6)
  const head = (await verifyAudit(file)).head
  const [a = '', b = '', c = '', d = '', e = '', f = ''] = lines
  const edited = (line: string) => line.replace('Ann', 'Bob')
  const cases: Record<string, [string[], object]> = {
    edit: [[a, b, edited(c), d, e, f], { seq: 2, what: 'altered' }],
    'an edit of the first': [[edited(a), b, c, d, e, f], { seq: 0, what: 'altered' }],
    'an edit of the last': [[a, b, c, d, e, edited(f)], { seq: 5, what: 'rewritten' }],
    'an edit of the hash': [
      [a, b, c.replace(/"prev":"./, '"prev":"x'), d, e, f],
      { seq: 2, what: 'altered' },
    ],
    'a deletion': [[a, b, d, e, f], { seq: 2, what: 'out-of-place' }],
    'a deletion of the first': [[b, c, d, e, f], { seq: 0, what: 'out-of-place' }],
    'a deletion of the last': [[a, b, c, d, e], { seq: 5, what: 'cut-short' }],
    'a swap': [[a, c, b, d, e, f], { seq: 1, what: 'out-of-place' }],
    'a doubled record': [[a, b, b, c, d, e, f], { seq: 2, what: 'out-of-place' }],
    'a line that is no record': [[a, 'null', b, c, d, e, f], { seq: 1, what: 'not-a-record' }],
    'a piece missing in the middle': [
      [a, b, c.slice(0, 40) + d.slice(90), e, f],
      { seq: 2, what: 'not-a-record' },
    ],
  }
  for (const [how, [altered, fault]] of Object.entries(cases)) {
    writeFileSync(file, `${altered.join('\n')}\n`)
    t.match((await verifyAudit(file, head)).fault, fault, how)
  }
})

t.test('of 10,000 edits, deletions, swaps and cuts every one is found', async (t) => {
  const { file, lines } = await logOf(t, 24)
  const whole = `${lines.join('\n')}\n`
  const { head } = await verifyAudit(file)
  const random = seeded(20_261_125)
  const ways: Record<string, () => string> = {
    edit: () => {
      const bytes = Buffer.from(whole)
      const at = random(bytes.length)
      bytes[at] = bytes[at]! ^ (1 << random(7))
      return bytes.toString('latin1')
    },
    delete: () => lines.toSpliced(random(lines.length), 1 + random(3)).join('\n') + '\n',
    swap: () => {
      const i = random(lines.length)
      const j = (i + 1 + random(lines.length - 1)) % lines.length
      return `${lines.with(i, lines[j]!).with(j, lines[i]!).join('\n')}\n`
    },
    'cut at the end': () => whole.slice(0, random(whole.length)),
    'cut in the middle': () => {
      const at = random(whole.length - 1)
      return whole.slice(0, at) + whole.slice(at + 1 + random(whole.length - 1 - at))
    },
  }
  const missed: string[] = []
  for (let i = 0; i < 2_000; i++) {
    for (const [way, altered] of Object.entries(ways)) {
      const text = altered()
      if (text === whole) throw new Error(`${way} changed nothing`)
      const report = await verifyLines(readLines(heldIn(Buffer.from(text, 'latin1'))), head)
      if (report.fault === undefined) missed.push(`${way} ${i}`)
    }
  }
  t.strictSame(missed, [])
})

t.test('a log cut at the end of a record is whole, but not to one who remembers its head', async (t) => {
  const { file, lines } = await logOf(t, 4)
  const { head } = await verifyAudit(file)
  truncateSync(file, Buffer.byteLength(`${lines.slice(0, 2).join('\n')}\n`))
  t.match(await verifyAudit(file), { records: 2, fault: undefined })
  t.match(await verifyAudit(file, head), { fault: { seq: 2, what: 'cut-short' } })
  const audit = await openAudit(file)
  for (let i = 0; i < 4; i++) await audit.record({ event: 'shares-released', outcome: 'done' })
  await audit.close()
  t.match(await verifyAudit(file), { records: 6, fault: undefined }, 'it was written on')
  t.match(await verifyAudit(file, head), { fault: { seq: 3, what: 'rewritten' } })
})

t.test('a last line without an end is being written, and is no alteration', async (t) => {
  const { file } = await logOf(t, 3)
  appendFileSync(file, '{"seq":3,"prev":"ab')
  t.match(await verifyAudit(file), { records: 3, tornBytes: 19, fault: undefined })
})

t.test('a log verifies while a server writes to it', async (t) => {
  const file = join(t.testdir(), 'audit.jsonl')
  const audit = await openAudit(file)
  t.teardown(() => audit.close())
  let writing = true
  const writer = (async () => {
    while (writing) await Promise.all([1, 2, 3].map(() => audit.record({ event: 'x', outcome: 'done' })))
  })()
  let records = 0
  let head = (await verifyAudit(file)).head
  for (let i = 0; i < 50 || records < 30; i++) {
    const report = await verifyAudit(file, head)
    t.equal(report.fault, undefined)
    t.ok(report.records >= records, 'it only grows')
    ;({ records, head } = report)
  }
  writing = false
  await writer
})

t.test('a log of any length is read in bounded memory', async (t) => {
  const file = join(t.testdir(), 'audit.jsonl')
  // One line that never ends: a reader by lines would keep it whole. It takes no room on the disk.
  writeFileSync(file, '')
  truncateSync(file, 256 * 1024 * 1024)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  const watch = setInterval(
    () => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)),
    1,
  ).unref()
  t.match(await verifyAudit(file), { records: 0, fault: { seq: 0, what: 'not-a-record' } })
  clearInterval(watch)
  t.ok(most < 64 * 1024 * 1024, `${most} bytes of buffers`)
})

t.test('mdm-server audit verify exits 0 or 7 and prints the head', async (t) => {
  const { file, lines } = await logOf(t, 3)
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [bin, 'audit', 'verify', ...args], { encoding: 'utf8' })
  const good = run('--file', file, '--json')
  t.equal(good.status, 0, good.stderr)
  const { head, ...report } = JSON.parse(good.stdout) as { head: string }
  t.match(report, { verified: true, records: 3, tornBytes: 0 })
  t.match(head, /^2:[0-9a-f]{64}$/)
  writeFileSync(join(file, '..', 'keys.json'), JSON.stringify({ kind: 'keys', audit: 'audit.jsonl' }))
  t.match(run('--config', join(file, '..', 'keys.json'), '--from-checkpoint', head), {
    status: 0,
    stdout: new RegExp(`^3 records follow each other, from .+\nhead ${head}\n$`),
  })
  writeFileSync(file, `${lines.slice(0, 2).join('\n')}\n`)
  const cut = run('--file', file, '--from-checkpoint', head, '--json')
  t.equal(cut.status, 7)
  t.match(JSON.parse(cut.stdout), { verified: false, fault: { seq: 2, what: 'cut-short' } })
  t.match(cut.stderr, /^MDM_INTEGRITY: /)
  t.equal(run('--file', file).status, 0, 'by itself it cannot be told')
  for (const args of [[], ['--file', file, '--config', file], ['--file', file, '--from-checkpoint', '3']])
    t.equal(run(...args).status, 2, args.join(' '))
  t.strictSame(parseCheckpoint(`${'0'.repeat(64)}:7`), { seq: 7, hash: '0'.repeat(64) })
})
