// Makes dist/ and THIRD-PARTY.txt of the sources: the command line with all that it imports in few files, since a start that
// reads 480 modules spends most of its time in finding them (docs/adr/0038). Each command stays a file of its own.
// node bundle.js [FOLDER FOR dist/ AND THIRD-PARTY.txt]
import { globSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { rolldown } from 'rolldown'

const root = import.meta.dirname
const target = resolve(process.argv[2] ?? root)
const dist = join(target, 'dist')

const entries = ['main.ts', ...globSync('commands/**/*.ts', { cwd: join(root, 'src') })]
const bundle = await rolldown({
  input: Object.fromEntries(entries.map((name) => [name.slice(0, -'.ts'.length), join(root, 'src', name)])),
  platform: 'node',
  resolve: { conditionNames: ['@mdm/source', 'node', 'import', 'module'] },
  // oclif looks around for these, and goes on without
  external: ['typescript', 'pnpapi'],
  transform: { define: { __dirname: 'import.meta.dirname' } },
  onLog: (_, { message }) => {
    throw new Error(message)
  },
})
await rm(dist, { recursive: true, force: true })
const { output } = await bundle.write({
  dir: dist,
  format: 'esm',
  sourcemap: true,
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name]-[hash].js',
  comments: { legal: false },
})
const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
await writeFile(join(target, 'THIRD-PARTY.txt'), await licencesOf(modules))

/** The licence of every package that a module is of. */
async function licencesOf(modules) {
  const folders = new Set(
    modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []),
  )
  const texts = await Promise.all([...folders].sort().map(licenceOf))
  return ['dist/ contains these packages, under their own licences.\n', ...new Set(texts)].join(
    `\n${'-'.repeat(80)}\n\n`,
  )
}

async function licenceOf(folder) {
  const { name, version, license, author } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name))
  if (license === undefined) throw new Error(`${name} names no licence`)
  const text =
    file === undefined ? `by ${author?.name ?? author}` : await readFile(join(folder, file), 'utf8')
  return `${name} ${version}: ${license}\n\n${text.trim()}\n`
}
