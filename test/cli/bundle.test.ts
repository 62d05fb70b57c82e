import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const CLI = resolve(import.meta.dirname, '../../packages/cli')

const files = (pattern: string, cwd: string): string[] => globSync(pattern, { cwd }).sort()

t.test('the published command line needs nothing but Node, and says whose code it holds', async (t) => {
  // far from the packages of the checkout
  const folder = await mkdtemp(join(tmpdir(), 'mdm-bundle-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const name of ['package.json', 'bin'])
    await cp(join(CLI, name), join(folder, name), { recursive: true })
  for (const program of ['bundle.js', 'write-manifest.js'])
    await run(process.execPath, [join(CLI, program), folder])
  const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache'), NO_COLOR: '1' }
  const mdm = (...args: string[]) => run(process.execPath, [join(folder, 'bin', 'run.js'), ...args], { env })

  await t.test('it starts', async (t) => {
    t.match((await mdm('--version')).stdout, /^@mdm\/cli\//)
    t.match((await mdm('get', '--help')).stdout, /--format/)
    // as far as a command comes without a configuration, with the library that it loads for that
    const none = join(folder, 'none.json')
    await t.rejects(mdm('whoami', '--config', none, '--json'), { code: 2, stdout: /MDM_CONFIG/ })
  })

  await t.test('each command is a file of its own, and the list names them all', async (t) => {
    const written = files('**/*.ts', join(CLI, 'src', 'commands')).map((f) => f.slice(0, -3))
    const bundled = files('**/*.js', join(folder, 'dist', 'commands')).map((f) => f.slice(0, -3))
    t.strictSame(bundled, written)
    // every one of them was loaded to make the list
    const { commands } = JSON.parse(await readFile(join(folder, 'oclif.manifest.json'), 'utf8'))
    t.equal(Object.keys(commands).length, written.length)
  })

  await t.test('stacks can be read, and no path of this machine is in them', async (t) => {
    const scripts = files('**/*.js', join(folder, 'dist'))
    for (const name of scripts) {
      const map = JSON.parse(await readFile(join(folder, 'dist', `${name}.map`), 'utf8'))
      if (map.sources.some((source: string) => !source.startsWith('../'))) t.fail(name)
    }
    t.ok(scripts.length > 40, `${scripts.length} files`)
  })

  await t.test('the licence of each package comes along', async (t) => {
    const text = await readFile(join(folder, 'THIRD-PARTY.txt'), 'utf8')
    for (const name of ['@oclif/core', 'jose', 'node-forge', 'shamirs-secret-sharing', 'undici', 'zod'])
      t.match(text, new RegExp(`^${name} [0-9.]+: [A-Z(][^\n]+\n\n.{20}`, 'ms'), name)
  })
})
