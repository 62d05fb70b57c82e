import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'

const source = resolve(import.meta.dirname, '../../../packages/server/src/audit/audit.ts')
const child = `
  import { openAudit } from ${JSON.stringify(source)}
  process.on('SIGXFSZ', () => {})
  const audit = await openAudit(process.argv[1])
  for await (const _ of process.stdin) {
    const answers = await Promise.all([1, 2, 3].map(() =>
      audit.record({ event: 'shares-released', outcome: 'done', facts: { note: 'x'.repeat(200) } }).then(() => 'done', (e) => e.code)))
    console.log(answers.join(' '))
  }
`

t.test(
  'no room for a record: nothing is taken, the chain stays whole, and records go on when there is room',
  async (t) => {
    if (spawnSync('prlimit', ['--version']).status !== 0)
      return t.pass('skipped: prlimit is not on this machine')
    const file = join(t.testdir(), 'audit.jsonl')
    // A file size limit makes write() fail in the middle of a record, as a full disk does.
    const node = spawn(
      'prlimit',
      [
        '--fsize=1500:unlimited',
        process.execPath,
        '--conditions=@mdm/source',
        '--input-type=module',
        '-e',
        child,
        file,
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    t.teardown(() => node.kill())
    const answers = createInterface({ input: node.stdout })[Symbol.asyncIterator]()
    const ask = async () => {
      node.stdin.write('go\n')
      return (await answers.next()).value as string
    }
    t.equal(await ask(), 'done done done')
    t.equal(await ask(), 'MDM_AUDIT MDM_AUDIT MDM_AUDIT')
    spawnSync('prlimit', [`--pid=${node.pid}`, '--fsize=unlimited'])
    t.equal(await ask(), 'done done done')
    node.stdin.end()
    await once(node, 'exit')
    const lines = readFileSync(file, 'utf8').trim().split('\n')
    t.strictSame(
      lines.map((line) => (JSON.parse(line) as { seq: number }).seq),
      [0, 1, 2, 3, 4, 5],
    )
  },
)
