import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { cliCommands } from '../fixtures/cli-commands.ts'
import { runMdm } from '../fixtures/grid.ts'

const RUN = resolve(import.meta.dirname, '../../packages/cli/bin/run.js')
const GUID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'

t.test(
  'every command says what it does, describes each flag and argument, and gives examples of itself',
  async (t) => {
    const commands = await cliCommands()
    t.ok(commands.length >= 17, `${commands.length} commands`)
    for (const c of commands) {
      t.ok(c.summary, `${c.id} has a summary`)
      t.ok(c.description, `${c.id} has a description`)
      t.ok(c.examples.length > 0, `${c.id} has examples`)
      for (const example of c.examples) t.ok(example.includes(`mdm ${c.id}`), `${c.id}: ${example}`)
      for (const { description } of [...c.args, ...c.flags])
        t.ok(description, `${c.id}: a flag or argument without words`)
    }
  },
)

t.test('every declared flag is used by its command', async (t) => {
  for (const { id, flags, source } of await cliCommands()) {
    const code = await readFile(source, 'utf8')
    const own = flags.filter((f) => !['config', 'site', 'cert', 'key', 'json'].includes(f.name))
    for (const { name } of own) {
      const spread = /\{\s*\.\.\.flags\b/.test(code)
      const destructured = new RegExp(`\\{[^}]*\\b${name}\\b[^}]*\\} = flags`).test(code)
      // Where storage services are is part of the configuration, which takes the flags as a whole.
      const configured =
        ['srm', 'ca-dir'].includes(name) &&
        /\b(clientConfig|withSession|withStorage|diagnose)\(flags\b/.test(code)
      const used =
        spread ||
        destructured ||
        configured ||
        code.includes(`flags.${name}`) ||
        code.includes(`flags['${name}']`)
      t.ok(used, `${id} --${name}`)
    }
  }
})

t.test('help is on stdout with exit code 0, for the whole and for each command', async (t) => {
  for (const args of [
    ['--help'],
    ['get', '--help'],
    ['acl', 'grant', '--help'],
    ['demo', 'up', '--help'],
    [],
  ]) {
    const { code, stdout, stderr } = await runMdm(args)
    t.equal(code, 0, args.join(' '))
    t.match(stdout, /USAGE\n {2}\$ mdm/)
    t.equal(stderr, '')
  }
})

t.test('help loads neither the network nor the schemas', async (t) => {
  const log = join(t.testdir(), 'loaded')
  const spy = `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs'
    registerHooks({ load: (url, c, next) => { appendFileSync(${JSON.stringify(log)}, url + '\\n'); return next(url, c) } })`
  const child = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(spy)}`, RUN, '--help'],
    { stdio: 'ignore' },
  )
  await once(child, 'exit')
  const loaded = (await readFile(log, 'utf8')).split('\n')
  t.ok(
    loaded.some((url) => url.includes('/cli/src/commands/get.ts')),
    'the spy sees what is loaded',
  )
  t.strictSame(
    loaded.filter((url) =>
      /node_modules\/(undici|zod|jose|node-forge)\/|core\/src\/(grid|access|wire)\//.test(url),
    ),
    [],
  )
})

t.test('a wrong command line is exit code 2, in words or as JSON', async (t) => {
  const wrong: string[][] = [
    ['gte'],
    ['get', '--nope', GUID],
    ['get', 'not-a-guid'],
    ['get', GUID, '--slices', '3-1'],
    ['get', GUID, '--level', 'plain'],
    ['get', GUID, '--level', 'raw', '--format', 'nifti'],
    ['get', GUID, GUID.replace('3f', '4f'), '-o', 'one.nii'],
    ['get', GUID, '-o', 'volume.mhd'],
    ['get', GUID, '-o', 'volume.nrrd.gz'],
    ['decrypt'],
    ['acl', 'grant', GUID, '--to', 'CN=x', '--preset', 'everything'],
    ['acl', 'grant', GUID, '--to', 'CN=x', '--preset', 'process', '--expires', 'soon'],
    ['config', 'add', '/no/such/roster'],
    ['config', 'set'],
    ['ca', 'init', '--dir', 'x', '--name', 'no name'],
    ['ca', 'issue', '--ca', '/no/such/ca', '--name', 'CN=x', '-o', 'y'],
    ['demo', 'up', '--dir', 'z', '--key-servers', '2', '--threshold', '2'],
    ['demo', 'down', '--dir', '/no/such/demo'],
  ]
  const cwd = t.testdir()
  const config = join(cwd, 'config.json')
  await writeFile(config, '{}')
  for (const args of wrong) {
    const [plain, asJson] = await Promise.all([
      runMdm(args, { cwd, config }),
      runMdm([...args, '--json'], { cwd, config }),
    ])
    t.equal(plain.code, 2, args.join(' '))
    t.equal(plain.stdout, '', 'nothing on stdout')
    t.match(plain.stderr, /^error: .+\n code: MDM_(USAGE|CONFIG)\n next: .+\n$/, args.join(' '))
    t.equal(asJson.code, 2)
    t.match(asJson.json, { error: { code: /^MDM_/, message: /./, next: /./ } }, args.join(' '))
    t.strictSame(Object.keys(asJson.json.error), ['code', 'message', 'next'])
    t.equal(asJson.stderr, '', 'nothing on stderr under --json')
  }
  t.strictSame(await readdir(cwd), ['config.json'], 'no file was left')
})

t.test('names come from arguments or from stdin, where # begins a comment', async (t) => {
  const cwd = t.testdir()
  const config = join(cwd, 'config.json')
  await writeFile(config, '{}')
  const codes = async (args: string[], input: string) =>
    (await runMdm(['get', ...args, '--json'], { cwd, config, input })).json.error
  t.match(await codes([], ''), { code: 'MDM_USAGE', message: /no volume/ })
  t.match(await codes([], 'nonsense\n'), { code: 'MDM_USAGE', message: /nonsense/ })
  t.match(
    await codes([], `# a list\n${GUID} # one\n`),
    { code: 'MDM_CONFIG' },
    'the name is fine, the configuration is not',
  )
  t.match(await codes(['-'], `/demo/folder/MR/000001\n`), { code: 'MDM_CONFIG' })
  t.match(
    await codes([GUID], 'nonsense'),
    { code: 'MDM_CONFIG' },
    'stdin is left alone when there are arguments',
  )
})

t.test('mdm works from any folder, through the link that npm makes', async (t) => {
  const dir = t.testdir({ bin: {}, elsewhere: {} })
  await symlink(RUN, join(dir, 'bin', 'mdm'))
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` }
  const child = spawn(join(dir, 'bin', 'mdm'), ['--version'], {
    cwd: join(dir, 'elsewhere'),
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.match(await text(child.stdout), /^@mdm\/cli\/\d/)
})

t.test('a reader that goes away ends the command without a word', async (t) => {
  const child = spawn(
    'bash',
    ['-c', `"${process.execPath}" "${RUN}" get --help | true; echo "\${PIPESTATUS[0]}"`],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  t.match(stdout, /^(0|141)\n$/)
  t.equal(stderr, '')
})

t.test('Ctrl-C is exit code 130 and silent', async (t) => {
  const cwd = t.testdir()
  const child = spawn(process.execPath, [RUN, 'get'], { cwd, stdio: ['pipe', 'pipe', 'pipe'] })
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  // It waits for names on stdin. A signal before its handler stands would prove nothing: more than a pipe holds is read by it.
  await new Promise((resolve) => child.stdin.write('# no name\n'.repeat(100_000), resolve))
  child.kill('SIGINT')
  const [code] = await once(child, 'exit')
  t.equal(code, 130)
  t.strictSame(await said, ['', ''])
  t.strictSame(await readdir(cwd), [])
})

t.test('without any configuration the first thing to do is named', async (t) => {
  const home = t.testdir()
  await mkdir(join(home, '.config'))
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config') }
  const child = spawn(process.execPath, [RUN, 'ls'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  t.equal(code, 2)
  t.match(stderr, /code: MDM_CONFIG/)
})
