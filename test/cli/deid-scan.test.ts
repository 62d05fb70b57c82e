import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runMdm } from '../fixtures/grid.ts'

t.test('a scan says where and by which rule, the text only when asked, and exits 9', async (t) => {
  const dir = t.testdir({
    'canaries.txt': 'QX-7781\n\nMUSTERMANN\n',
    'clean.json': '{"rows":512,"modality":"CT"}',
    'report.txt': 'seen: MUSTERMANN^ERIKA, 1933-04-05',
    'short.txt': 'abc\n',
  })
  const scan = (...args: string[]) => runMdm(['deid', 'scan', ...args], { config: join(dir, 'absent.json') })
  const at = (name: string) => join(dir, name)
  const canary = ['--canary', at('canaries.txt')]

  const clean = await scan(at('clean.json'), ...canary, '--json')
  t.equal(clean.code, 0, clean.stdout)
  t.match(clean.json, { files: 1, count: 0, findings: [] })

  const found = await scan(at('report.txt'), ...canary, '--json')
  t.equal(found.code, 9)
  t.strictSame(
    found.json.findings.map((f: { rule: string; line?: number; offset: number }) => [
      f.rule,
      f.line,
      f.offset,
    ]),
    [
      ['canary', 3, 6],
      ['person-name', undefined, 6],
      ['date', undefined, 24],
    ],
  )
  t.notMatch(found.stdout, /MUSTERMANN/)
  const shown = await scan(at('report.txt'), '--show')
  t.match(shown.stdout, /byte 6: person-name: MUSTERMANN\^ERIKA/)
  t.equal((await scan(at('report.txt'), '--no-patterns', '--json')).code, 2, 'nothing to look for')
  t.equal((await scan(at('report.txt'), '--canary', at('short.txt'), '--json')).code, 2)
  await writeFile(at('canaries.txt'), 'x'.repeat(257))
  t.equal((await scan(at('report.txt'), ...canary, '--json')).code, 2)
  t.equal((await scan(at('absent'), '--json')).json.error.code, 'MDM_FILE')
})
