import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { parseCommand } from '../../packages/server/src/commands/command.ts'
import { COMMANDS } from '../../packages/server/src/commands/index.ts'
import { startKeyServer } from '../../packages/server/src/keys.ts'
import { provisionGrid } from '../../packages/server/src/provision/grid.ts'

const bin = resolve(import.meta.dirname, '../../packages/server/bin/run.js')
const dir = t.testdir()
const run = (...args: string[]) => spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8' })

t.test('help is printed, a wrong command line exits 2 and says what to do', async (t) => {
  t.match(run('--help'), { status: 0, stdout: /mdm-server keys --config/ })
  t.match(run('--version'), { status: 0, stdout: /^[0-9]+\.[0-9]+\.[0-9]+\n$/ })
  for (const args of [['nothing'], ['keys', '--wrong'], ['keys', 'trust', 'r.jws'], ['keys', 'trust']]) {
    t.match(run(...args), { status: 2, stdout: '', stderr: /^MDM_USAGE: .+\n.+\n/ }, args.join(' '))
  }
})

t.test('each command has an example that it takes, in the help of the words that were typed', async (t) => {
  for (const { words, example } of COMMANDS) {
    const argv = (example.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replaceAll("'", ''))
    t.equal(parseCommand(COMMANDS, argv).command.words, words, example)
  }
  const { stdout, status } = run('check', '--help')
  t.equal(status, 0)
  t.match(stdout, /\$ mdm-server check site --config/)
  t.notMatch(stdout, /mdm-server init/)
})

t.test('a configuration that is missing or wrong exits 2 and names the field, not its value', async (t) => {
  const file = join(dir, 'keys.json')
  t.match(run('keys', '--config', file), { status: 2, stderr: /^MDM_CONFIG: / })
  writeFileSync(file, JSON.stringify({ kind: 'keys', listen: { host: 'CANARY', port: 'CANARY' } }))
  const { status, stderr } = run('keys', '--config', file)
  t.equal(status, 2)
  t.match(stderr, /listen\.port/)
  t.notMatch(stderr, 'CANARY')
})

t.test(
  'a key server is provisioned, trusts a roster, says where it listens and stops on SIGTERM',
  async (t) => {
    const folder = join(dir, 'grid')
    const made = run('provision', 'grid', '--dir', folder, '--json')
    t.equal(made.status, 0, made.stderr)
    const { keyServers } = JSON.parse(made.stdout) as Awaited<ReturnType<typeof provisionGrid>>
    t.match(run('provision', 'grid', '--dir', folder), { status: 11, stderr: /^MDM_CONFLICT/ })
    const [{ config, url, dir: home }] = keyServers as [(typeof keyServers)[number]]
    const roster = join(folder, 'ca', 'demo.roster.jws')
    t.match(run('keys', 'trust', roster, '--fingerprint', 'sha256:00', '--config', config), {
      status: 7,
      stderr: /^MDM_ROSTER/,
    })
    const server = spawn(process.execPath, [bin, 'keys', '--config', config], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => server.kill('SIGKILL'))
    const [line] = await Promise.race([
      once(createInterface({ input: server.stdout }), 'line'),
      once(server, 'exit').then(() => ['"the server ended"']),
    ])
    t.strictSame(JSON.parse(String(line)), { listening: url })
    t.match(run('keys', '--config', config), { status: 11, stderr: /^MDM_CONFLICT/ }, 'the store is in use')
    const other = { ...JSON.parse(readFileSync(config, 'utf8')), store: 'b.sqlite', audit: 'b.jsonl' }
    writeFileSync(join(home, 'other.json'), JSON.stringify(other))
    t.match(
      run('keys', '--config', join(home, 'other.json')),
      { status: 2, stderr: /^MDM_CONFIG/ },
      'the port is taken',
    )
    server.kill('SIGTERM')
    t.strictSame(await once(server, 'exit'), [0, null])
    t.match(readFileSync(join(home, 'audit.jsonl'), 'utf8').trim().split('\n').at(-1), /"server-stopped"/)
  },
)

t.test('key files that others can read, or an altered audit log, keep a server from starting', async (t) => {
  const { keyServers } = await provisionGrid(join(dir, 'second'), {
    site: 'demo',
    keyServers: 3,
    threshold: 2,
  })
  const { config, dir: home } = keyServers[0]!
  for (const name of ['identity.key', 'store.key', 'tls.key']) {
    chmodSync(join(home, name), 0o640)
    await t.rejects(startKeyServer(config), { code: 'MDM_CONFIG' }, name)
    chmodSync(join(home, name), 0o600)
  }
  writeFileSync(join(home, 'audit.jsonl'), '{"seq":3}\n')
  await t.rejects(startKeyServer(config), { code: 'MDM_INTEGRITY' })
})
