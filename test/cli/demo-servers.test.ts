import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { serversOf } from '../../packages/cli/src/demo/stop-servers.ts'
import { runMdm } from '../fixtures/grid.ts'

const RUN = resolve(import.meta.dirname, '../../packages/cli/bin/run.js')

async function scratch(t: { teardown(clean: () => Promise<void>): void }): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'mdm-test-')))
  t.teardown(async () => {
    for (const name of await readdir(dir)) await runMdm(['demo', 'down', '--dir', join(dir, name)])
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  })
  return dir
}

t.test('two demos run at once, each its own, and each goes down alone', async (t) => {
  const dir = await scratch(t)
  const [a, b] = await Promise.all([
    runMdm(['demo', 'up', '--dir', join(dir, 'a'), '--json']),
    runMdm(['demo', 'up', '--dir', join(dir, 'b'), '--key-servers', '4', '--threshold', '3', '--json']),
  ])
  t.equal(a.code, 0, a.stdout)
  t.equal(b.code, 0, b.stdout)
  t.strictSame(Object.keys(a.json), ['dir', 'site', 'keyServers', 'users'])
  t.strictSame(Object.keys(a.json.site), ['api', 'srm', 'pid', 'dir'])
  t.strictSame(Object.keys(a.json.keyServers[0]), ['url', 'pid', 'dir'])
  t.strictSame(Object.keys(a.json.users), ['admin', 'physician', 'scientist', 'backup', 'stranger'])
  t.equal(a.json.keyServers.length, 3)
  t.equal(b.json.keyServers.length, 4)

  const known = await runMdm(['whoami', '--check', '--json'], { config: a.json.users.physician.config })
  t.equal(known.code, 0, known.stdout)
  t.equal(known.json.servers.length, 4, 'the site and three key servers accept the user')
  t.ok(known.json.servers.every((s: { dn?: string }) => s.dn !== undefined))

  const again = await runMdm(['demo', 'up', '--dir', join(dir, 'a'), '--json'])
  t.equal(again.json.error.code, 'MDM_CONFLICT', 'a folder in use is left alone')

  const pidsOf = (grid: typeof a.json) => [
    grid.site.pid,
    ...grid.keyServers.map((k: { pid: number }) => k.pid),
  ]
  t.strictSame((await serversOf(a.json.dir)).sort(), pidsOf(a.json).sort())
  const down = await runMdm(['demo', 'down', '--dir', join(dir, 'a'), '--json'])
  t.equal(down.code, 0)
  t.strictSame(down.json.stopped.sort(), pidsOf(a.json).sort())
  t.strictSame(await serversOf(a.json.dir), [], 'all of a are gone')
  t.strictSame((await serversOf(b.json.dir)).sort(), pidsOf(b.json).sort(), 'all of b run')
  t.notOk(existsSync(join(dir, 'a', 'demo.json')))
  t.equal((await runMdm(['demo', 'down', '--dir', join(dir, 'a'), '--json'])).code, 2, 'it is down already')

  const gone = await runMdm(['whoami', '--check', '--json'], { config: a.json.users.physician.config })
  t.equal(gone.code, 5, 'nobody answers')
  t.ok(gone.json.servers.every((s: { code?: string }) => s.code === 'MDM_UNREACHABLE'))
})

t.test('a stopped server goes down too, and a pid that became another’s is left alone', async (t) => {
  const dir = await scratch(t)
  const { json } = await runMdm(['demo', 'up', '--dir', join(dir, 'g'), '--json'])
  process.kill(json.keyServers[0].pid, 'SIGSTOP')
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => bystander.kill())
  const site = json.site.pid
  await writeFile(
    join(dir, 'g', 'demo.json'),
    JSON.stringify({ ...json, site: { ...json.site, pid: bystander.pid } }),
  )
  const down = await runMdm(['demo', 'down', '--dir', join(dir, 'g'), '--json'])
  t.equal(down.code, 0)
  t.notOk(down.json.stopped.includes(bystander.pid))
  t.ok(down.json.stopped.includes(site), 'the site is known by what it serves')
  t.equal(bystander.exitCode, null)
  t.strictSame(await serversOf(json.dir), [])
})

t.test('a demo that cannot start leaves no server behind', async (t) => {
  const dir = await scratch(t)
  await mkdir(join(dir, 'full'))
  await writeFile(join(dir, 'full', 'mine.txt'), 'x')
  t.equal((await runMdm(['demo', 'up', '--dir', join(dir, 'full'), '--json'])).code, 11)
  t.strictSame(await readdir(join(dir, 'full')), ['mine.txt'])
  t.equal(
    (await runMdm(['demo', 'up', '--dir', join(dir, 'g'), '--source', join(dir, 'no'), '--json'])).code,
    2,
  )

  const child = spawn(process.execPath, [RUN, 'demo', 'up', '--dir', join(dir, 'cut')], { stdio: 'ignore' })
  while ((await serversOf(join(dir, 'cut'))).length === 0 && child.exitCode === null)
    await new Promise((r) => setTimeout(r, 20))
  child.kill('SIGINT')
  const [code] = await once(child, 'exit')
  t.equal(code, 130)
  t.strictSame(await serversOf(join(dir, 'cut')), [])
})
