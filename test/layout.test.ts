import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import t from 'tap'
import { importsOf, layoutFaults } from './fixtures/layout-rules.ts'

const root = resolve(import.meta.dirname, '..')
const files = (...patterns: string[]) =>
  globSync(patterns, { cwd: root, exclude: (name) => /(^|\/)(node_modules|dist|coverage)$/.test(name) })
    .filter((path) => statSync(resolve(root, path)).isFile())
    .sort()
const read = (path: string) => readFileSync(resolve(root, path), 'utf8')

t.test('every file of the packages keeps to the folder rules', async (t) => {
  const paths = files('packages/*/src/**/*.ts', 'packages/*/bin/*.js')
  t.ok(paths.length > 5, 'there is something to check')
  t.strictSame(
    paths.flatMap((path) => layoutFaults(path, read(path))),
    [],
  )
})

t.test('test/ mirrors src for core and server', async (t) => {
  const stray = files('test/core/**/*.test.ts', 'test/server/**/*.test.ts').filter((path) => {
    const [, owner, ...inside] = path.split('/')
    return !existsSync(resolve(root, 'packages', owner!, 'src', dirname(inside.join('/'))))
  })
  t.strictSame(stray, [], 'each test stands in the folder of what it tests')
})

t.test('every test runs everywhere', async (t) => {
  const faults = files('test/**/*.ts').flatMap((path) =>
    [...read(path).matchAll(/\bt\.(only|skip|todo)\(|\{\s*(only|skip|todo):/g)].map(
      (m) => `${path}: ${m[0]}`,
    ),
  )
  t.strictSame(
    faults.filter((text) => !text.startsWith('test/layout.test.ts')),
    [],
  )
})

t.test('no test is left out of the run by its name', async (t) => {
  const named = files('test/**/*.ts').filter(
    (path) => /^import t\b.* from 'tap'/m.test(read(path)) && !path.endsWith('.test.ts'),
  )
  t.strictSame(
    named.filter((path) => !/^test\/(fixtures|conformance|fuzz)\//.test(path)),
    [],
  )
})

t.test('MD5 is computed nowhere, nor named but where it is refused', async (t) => {
  const refusing = 'packages/core/src/identity/strength.ts'
  const naming = files(
    'packages/*/{src,bin}/**/*.{ts,js}',
    'bench/**/*.ts',
    'examples/**/*.{ts,sh}',
    'deploy/**/*',
  ).filter((path) => /md5/i.test(read(path)))
  t.strictSame(
    naming,
    [refusing],
    'a bare hash of a name or a number is undone by a list of them (decision 8)',
  )
})

t.test('the checker sees a bad import, and names its file and line', async (t) => {
  const bad: [path: string, source: string, line: number][] = [
    ['packages/cli/src/main.ts', "\nimport { site } from '@mdm/server/site'\n", 2],
    ['packages/cli/src/main.ts', "const site = await import('@mdm/server/site')\n", 1],
    ['packages/cli/src/main.ts', "import { site } from '../../server/src/site.ts'\n", 1],
    ['packages/core/src/grid/http.ts', "import x from '@mdm/server/site'\n", 1],
    ['packages/core/src/crypto/jws.ts', "import {\n  call,\n} from '../grid/http.ts'\n", 3],
    ['packages/core/src/names.ts', "export * from './wire/common.ts'\n", 1],
    ['packages/core/src/acl/statement.ts', "import { SignJWT } from 'jose'\n", 1],
    ['packages/core/src/acl/statement.ts', "import type { JWK } from 'jose'\n", 1],
    ['packages/core/src/acl/statement.ts', "import { x } from './chain'\n", 1],
    ['packages/server/src/store/sqlite.ts', "import { route } from '../http/route.ts'\n", 1],
    ['packages/server/src/store/site-schema.ts', "import { TABLES } from '../metadata/columns.ts'\n", 1],
    ['packages/server/src/catalog/catalog.ts', "import { Kysely } from 'kysely'\n", 1],
    ['packages/server/src/catalog/catalog.ts', "import { type Kysely } from 'kysely'\n", 1],
    ['packages/server/src/volume/group.ts', "import 'left-pad'\n", 1],
    ['packages/server/src/volume/group.ts', "const pad = require('left-pad')\n", 1],
    ['packages/core/src/sundry/x.ts', '\n', 1],
    ['packages/core/src/crypto/utils.ts', '\n', 1],
    ['packages/core/src/common/x.ts', '\n', 1],
    ['packages/core/src/crypto/BigName.ts', '\n', 1],
    ['packages/core/src/crypto/long.ts', '\n'.repeat(301), 301],
  ]
  for (const [path, source, line] of bad) {
    const faults = layoutFaults(path, source)
    t.ok(faults[0]?.startsWith(`${path}:${line}: `), `${path}: ${source.trim().slice(0, 60)}`)
  }
})

t.test('the checker lets good imports pass', async (t) => {
  const good: [path: string, source: string][] = [
    [
      'packages/core/src/crypto/jws.ts',
      "import * as jose from 'jose'\nimport { MdmError } from '../errors.ts'\n",
    ],
    ['packages/core/src/wire/common.ts', "import { z } from 'zod'\nimport { Guid } from '../names.ts'\n"],
    [
      'packages/server/src/catalog/catalog.ts',
      "import type { Kysely } from 'kysely'\nimport { x } from '../store/sqlite.ts'\n",
    ],
    [
      'packages/server/src/http/app.ts',
      "import Fastify from 'fastify'\nimport { MdmError } from '@mdm/core/errors'\n",
    ],
    [
      'packages/cli/src/commands/demo/up.ts',
      "const bin = createRequire(import.meta.url).resolve('@mdm/server/package.json')\n",
    ],
    [
      'packages/core/src/access/raw.ts',
      "/** Use it so:\n * import { x } from '@mdm/server'\n */\n// import 'left-pad'\n",
    ],
    ['packages/core/src/crypto/long.ts', '\n'.repeat(300)],
  ]
  for (const [path, source] of good) t.strictSame(layoutFaults(path, source), [], path)
})

t.test('imports are found in each way they can be written', async (t) => {
  const source = [
    "import a from 'a'",
    "import 'b'",
    "import {\n  c,\n} from 'c'",
    "export { d } from 'd'",
    "export * from 'e'",
    "import type { F } from 'f'",
    "const g = await import('g')",
    'import h from "h"',
  ].join('\n')
  t.strictSame(
    importsOf(source)
      .map((i) => i.specifier)
      .sort(),
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'],
  )
  t.strictSame(
    importsOf(source)
      .filter((i) => i.typeOnly)
      .map((i) => i.specifier),
    ['f'],
  )
})
