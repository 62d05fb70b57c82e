import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { serversOf } from '../../packages/cli/src/demo/stop-servers.ts'

const RUN = resolve(import.meta.dirname, '../../packages/cli/bin/run.js')

async function scratch(t: { teardown(clean: () => Promise<void>): void }): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'mdm-test-')))
  t.teardown(async () => {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  })
  return dir
}

t.test('the tour tells its story in under a minute and cleans up', async (t) => {
  const tmp = await scratch(t)
  // A minute is some two hundred starts of the command, on a busy machine as well.
  const before = performance.now()
  await once(spawn(process.execPath, [RUN, '--version'], { stdio: 'ignore' }), 'exit')
  const begun = performance.now()
  const boundMs = Math.max(60_000, 200 * (begun - before))
  const child = spawn(process.execPath, [RUN, 'demo'], {
    env: { ...process.env, TMPDIR: tmp },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [story, complaints] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  t.equal(child.exitCode, 0, complaints)
  const ms = performance.now() - begun
  t.ok(ms < boundMs, `${Math.round(ms)} of ${Math.round(boundMs)} ms`)
  for (const part of [
    'admin$ mdm register',
    'scientist$ mdm get',
    '--timings',
    'open: access control',
    'stranger$ mdm get',
    '(exit code 3, as it should be)',
    'withheld: ',
  ]) {
    t.ok(story.includes(part), part)
  }
  t.match(story, /[#%@]{3}/, 'a slice is drawn, in letters since this is no terminal')
  t.notMatch(story, /\u001b/, 'and without escape sequences')
  t.strictSame(await readdir(tmp), [], 'its folder is gone')
  t.strictSame(await serversOf(tmp), [], 'no server of it runs')
})

t.test('Ctrl-C in the middle of the tour cleans up as well', async (t) => {
  const tmp = await scratch(t)
  const child = spawn(process.execPath, [RUN, 'demo'], {
    env: { ...process.env, TMPDIR: tmp },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let story = ''
  for await (const chunk of child.stdout) {
    story += String(chunk)
    if (story.includes('mdm register')) child.kill('SIGINT')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  t.equal(child.exitCode, 130)
  t.strictSame(await readdir(tmp), [])
  t.strictSame(await serversOf(tmp), [])
})
