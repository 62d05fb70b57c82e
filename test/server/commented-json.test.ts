import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseCommentedJson } from '../../packages/server/src/commented-json.ts'
import { KeysConfig, readConfig } from '../../packages/server/src/config.ts'

t.test('comments and a last comma are left out, and a string keeps what looks like them', async (t) => {
  const text = `// first
{
  "url": "https://host:1/*", // why
  /* several
     lines, "quoted" */
  "quote": "a \\" // no comment",
  "list": [1, 2, // last
  ],
  "comma": ",}",
}`
  t.strictSame(parseCommentedJson(text), {
    url: 'https://host:1/*',
    quote: 'a " // no comment',
    list: [1, 2],
    comma: ',}',
  })
})

t.test('plain JSON is read as it is, and what is neither is refused', async (t) => {
  const value = { a: ['// x', '/* y */', 'z,}'], b: null, c: 1.5e3, d: '\\', e: '\u2028"' }
  t.strictSame(parseCommentedJson(JSON.stringify(value)), value)
  for (const text of [
    '',
    '{',
    '{"a": 1 /* open',
    '{a: 1}',
    "{'a': 1}",
    '[,]',
    '[1,,]',
    '{"a": "b\n"}',
    '1 / 2',
  ])
    t.throws(() => parseCommentedJson(text), SyntaxError, text)
})

t.test('a configuration that cannot be read names the line, and no word of it', async (t) => {
  const file = join(t.testdir(), 'keys.json')
  for (const [text, line] of [
    ['{\n  // fine\n  "kind": "keys",\n  "store" "CANARY",\n}', 4],
    ['{\n  "kind": CANARY\n}', 2],
    ['{\n  "kind": "keys",\n\n', 4],
  ] as const) {
    writeFileSync(file, text)
    const error = await readConfig(file, KeysConfig).catch((e: unknown) => e)
    t.match(error, { code: 'MDM_CONFIG', message: new RegExp(`line ${line}$`) })
    t.notMatch(String(error), 'CANARY')
  }
  await t.rejects(readConfig(join(file, 'absent'), KeysConfig), { code: 'MDM_CONFIG' })
})
