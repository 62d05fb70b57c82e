import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import t from 'tap'
import { ERRORS, isErrorCode } from '@mdm/core/errors'
import { errorsDocument } from './fixtures/write-docs.ts'

const root = resolve(import.meta.dirname, '..')
const list = (...patterns: string[]) =>
  globSync(patterns, {
    cwd: root,
    exclude: (name) => /(^|\/)(node_modules|dist|coverage|\.tap)$/.test(name),
  }).sort()
const read = (path: string) => readFileSync(resolve(root, path), 'utf8')
const documents = list('*.md', 'docs/**/*.md', 'packages/**/*.md', 'examples/**/*.md')

t.test('docs/errors.md is what the error table says', async (t) => {
  t.equal(read('docs/errors.md'), errorsDocument(), 'run "npm run docs"')
})

t.test('the written table changes with each field of an error', async (t) => {
  const one = { status: 404, exitCode: 3, retry: false, what: 'it is not there', next: 'look elsewhere' }
  const written = errorsDocument({ MDM_X: one })
  t.match(written, '| `MDM_X` | 404 | no | it is not there | look elsewhere |')
  for (const change of [
    { status: 410 },
    { exitCode: 4 },
    { retry: true },
    { what: 'gone' },
    { next: 'wait' },
  ])
    t.not(errorsDocument({ MDM_X: { ...one, ...change } }), written, JSON.stringify(change))
  t.throws(() => errorsDocument({ MDM_X: { ...one, exitCode: 99 } }), 'an exit code without a title')
})

t.test('every error has an exit code, a status, a meaning and a next step', async (t) => {
  for (const [code, entry] of Object.entries(ERRORS)) {
    t.match(code, /^MDM_[A-Z_]+$/)
    t.ok(entry.exitCode >= 1 && entry.exitCode <= 12, `${code} exits ${entry.exitCode}`)
    t.ok(entry.status >= 200 && entry.status <= 599, `${code} answers ${entry.status}`)
    t.ok(entry.what.length > 10 && entry.next.length > 10, `${code} says what and what next`)
  }
})

t.test('every error of the table is used', async (t) => {
  const sources = list('packages/*/src/**/*.ts').filter((path) => path !== 'packages/core/src/errors.ts')
  const used = new Set(sources.flatMap((path) => read(path).match(/\bMDM_[A-Z_]+\b/g) ?? []))
  t.strictSame(
    Object.keys(ERRORS).filter((code) => !used.has(code)),
    [],
  )
})

t.test('documents name only errors that exist', async (t) => {
  const environment = new Set([
    'MDM_CONFIG',
    'MDM_SITE',
    'MDM_CERT',
    'MDM_KEY',
    'MDM_SRM',
    'MDM_PEERS',
    'MDM_TEST_DATA',
  ])
  const unknown = documents.flatMap((path) =>
    (read(path).match(/\bMDM_[A-Z_]*[A-Z]\b/g) ?? [])
      .filter((name) => !isErrorCode(name) && !environment.has(name))
      .map((name) => `${path}: ${name}`),
  )
  t.strictSame(unknown, [])
})

t.test('every link between documents leads somewhere', async (t) => {
  const broken = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(resolve(root, dirname(path), target)))
      .map((target) => `${path}: ${target}`),
  )
  t.strictSame(broken, [])
})

t.test('every document of docs can be reached from its README', async (t) => {
  const index = read('docs/README.md')
  const pages = list('docs/**/*.md').map((path) => path.slice('docs/'.length))
  t.strictSame(
    pages.filter(
      (page) => page !== 'README.md' && !index.includes(`(${page})`) && !index.includes(`(${dirname(page)})`),
    ),
    [],
  )
})

t.test('code points only to documents and decisions that exist', async (t) => {
  const sources = list('packages/*/src/**/*.ts', 'test/**/*.ts', 'examples/*.ts')
  const known = new Set(documents.map((path) => path.split('/').at(-1)))
  const pointers = sources.flatMap((path) =>
    [...comments(read(path)).matchAll(/\b([a-zA-Z0-9-]+\.md)\b|\b[Dd]ecision ([0-9]+)/g)].map(
      ([text, page, number]) => {
        const isThere =
          page === undefined
            ? list(`docs/adr/${number!.padStart(4, '0')}-*.md`).length === 1
            : known.has(page)
        return isThere ? '' : `${path}: ${text}`
      },
    ),
  )
  t.strictSame(
    pointers.filter((text) => text !== ''),
    [],
  )
})

t.test('every path that a document names exists', async (t) => {
  const stale = documents.flatMap((path) =>
    [...read(path).matchAll(/`((?:packages|test|docs|examples|bench|\.ci)\/[a-z0-9/._-]+)`/g)]
      .map((match) => match[1]!)
      .filter((named) => !existsSync(resolve(root, named)))
      .map((named) => `${path}: ${named}`),
  )
  t.strictSame(stale, [])
})

t.test('every npm script that a document names exists', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const unknown = documents.flatMap((path) =>
    [...read(path).matchAll(/\bnpm run (?:--silent )?([a-z][a-z:-]*)/g)]
      .filter((match) => scripts[match[1]!] === undefined)
      .map((match) => `${path}: ${match[0]}`),
  )
  t.strictSame(unknown, [])
})

t.test('every program in a document is part of an example that a test runs', async (t) => {
  const examples = list('examples/*.ts').map(read)
  const blocks = ['README.md', 'packages/core/README.md'].flatMap((path) =>
    [...read(path).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1]!.trim()),
  )
  t.ok(blocks.length >= 4)
  const lines = blocks.flatMap((block) => block.split('\n')).filter((line) => line !== '')
  const exported = [...read('packages/core/src/index.ts').matchAll(/\b[a-zA-Z]+\b/g)].map((match) => match[0])
  for (const line of lines) {
    const imported = /^import \{ (.*) \} from '@mdm\/core'$/.exec(line)?.[1]?.split(', ')
    if (imported !== undefined)
      t.ok(
        imported.every((name) => exported.includes(name)),
        line,
      )
    else
      t.ok(
        examples.some((text) => text.includes(line)),
        line,
      )
  }
})

t.test('every command and flag in a document is one of ours', async (t) => {
  t.strictSame(
    documents.flatMap((path) => unknownCommands(read(path)).map((text) => `${path}: ${text}`)),
    [],
  )
  t.strictSame(unknownCommands('`mdm fetch GUID` and\nnpx mdm get GUID --nope -o x # why'), [
    'mdm fetch',
    'mdm get --nope',
  ])
})

t.test('every decision record is one page of the same form, and the list names it', async (t) => {
  const index = read('docs/README.md')
  const records = list('docs/adr/*.md')
  t.ok(records.length > 0)
  for (const [i, path] of records.entries()) {
    const name = path.split('/').at(-1)!
    t.ok(name.startsWith(String(i + 1).padStart(4, '0')), `${name} follows in number`)
    const text = read(path)
    const headings = [...text.matchAll(/^## (.*)$/gm)].map((match) => match[1])
    t.strictSame(headings, ['Context', 'Decision', 'Consequences'], name)
    t.ok(text.split('\n').length <= 60, `${name} is one page`)
    t.ok(index.includes(`(adr/${name})`), `${name} is in docs/README.md`)
  }
})

t.test('the glossary gives each word one meaning, in order', async (t) => {
  const words = [...read('docs/glossary.md').matchAll(/^\*\*(.+?)\*\*/gm)].map((match) =>
    match[1]!.toLowerCase(),
  )
  t.ok(words.length > 30)
  t.strictSame(
    words,
    [...new Set(words)].sort((a, b) => a.localeCompare(b, 'en')),
  )
})

/** Commands (`mdm ...` in backticks, or npx mdm ...) that have no file, and flags that no command declares. */
function unknownCommands(text: string): string[] {
  const root = 'packages/cli/src/commands/'
  const paths = list(`${root}**/*.ts`).map((path) => path.slice(root.length, -3).split('/'))
  const words = new Set(paths.flatMap((path) => [path.join(' '), path[0]!]))
  const code = list('packages/cli/src/**/*.ts').map(read).join('\n')
  return [...text.matchAll(/(?:`|npx )mdm ([a-z]+)((?: [a-z]+)?)([^`\n#]*)/g)].flatMap(
    ([, topic, verb, rest]) => {
      const isKnown =
        words.has(`${topic}${verb}`) ||
        (words.has(topic!) && !paths.some((p) => p[0] === topic && p.length > 1 && verb !== ''))
      const flags = [...rest!.matchAll(/ --([a-z-]+)/g)].map((match) => match[1]!)
      const unknown = flags.filter(
        (flag) => flag !== 'help' && !new RegExp(`\\b'?${flag}'?(?:: [\\w.]+)?\\(`).test(code),
      )
      return [
        ...(isKnown ? [] : [`mdm ${topic}${verb}`]),
        ...unknown
          .filter((flag) => !new RegExp(`'?${flag}'?: Flags\\.`).test(code))
          .map((flag) => `mdm ${topic} --${flag}`),
      ]
    },
  )
}

/** The lines of a source text that are comments. */
function comments(text: string): string {
  return text
    .split('\n')
    .filter((line) => /^\s*(\/\*\*|\*|\/\/)|\s\/\/ /.test(line))
    .join('\n')
}
