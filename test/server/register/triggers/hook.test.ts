import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { serveHook } from '../../../../packages/server/src/register/triggers/hook.ts'
import { lookAgain } from '../../../../packages/server/src/register/triggers/look-loop.ts'
import { freePort } from '../../../fixtures/peers/peer.ts'
import { configure, startLiveGrid, until } from './live-grid.ts'

const SECRET = 'a secret of the hospital'
const hook = (url: string, secret: string, init: RequestInit = {}) =>
  fetch(`${url}/hooks/orthanc`, { method: 'POST', headers: { authorization: `Bearer ${secret}` }, ...init })

t.test('the hook tells of a call with the secret, and of nothing else', async (t) => {
  const seen: string[] = []
  const listener = await serveHook({
    ...{ host: '127.0.0.1', port: 0, secret: SECRET },
    called: () => void seen.push('called'),
    refused: async () => void seen.push('refused'),
  })
  t.teardown(() => listener.stop())
  const { url } = listener
  t.equal((await hook(url, SECRET, { body: '{"ignored": true}' })).status, 204)
  t.equal((await hook(url, 'another')).status, 401)
  t.equal((await hook(url, `${SECRET} `.repeat(9))).status, 401)
  t.equal((await fetch(`${url}/hooks/orthanc`, { method: 'POST' })).status, 401)
  t.same(seen, ['called', 'refused', 'refused', 'refused'])
  t.equal((await hook(url, SECRET, { method: 'GET' })).status, 404)
  t.equal((await fetch(`${url}/metrics`)).status, 404)
  await t.rejects(hook(url, SECRET, { body: 'x'.repeat(1024 * 1024) }), 'a body beyond all measure')
  t.equal(seen.length, 4)
  t.equal((await hook(url, SECRET)).status, 204, 'and it serves on')
  await t.rejects(
    serveHook({
      ...{ host: '127.0.0.1', port: Number(new URL(url).port), secret: SECRET },
      called: () => {},
      refused: async () => {},
    }),
    { code: 'MDM_CONFIG' },
    'a port that is taken',
  )
})

t.test('many hints are one look, and looks are at least a second apart', async (t) => {
  const looks: number[] = []
  const stop = new AbortController()
  const looking = lookAgain({
    ...{ everyMs: 3_600_000, firstInMs: 0, signal: stop.signal },
    look: async () => {
      looks.push(performance.now())
      return 'all'
    },
    failed: () => {},
  })
  await until(async () => looks.length === 1)
  for (let i = 0; i < 100; i++) looking.hint()
  await until(async () => looks.length === 2)
  t.ok(looks[1]! - looks[0]! >= 950)
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  t.equal(looks.length, 2)
  stop.abort()
  await looking.ended
})

t.test('a look that fails is tried again, later each time, and told each time', async (t) => {
  const failed: unknown[] = []
  let looks = 0
  const stop = new AbortController()
  const looking = lookAgain({
    ...{ everyMs: 3_600_000, firstInMs: 0, signal: stop.signal },
    look: async () => {
      if (looks++ < 1) throw new Error('away')
      return looks === 2 ? 'more' : 'all'
    },
    failed: (error) => void failed.push(error),
  })
  await until(async () => looks === 3)
  t.equal(failed.length, 1)
  stop.abort()
  await looking.ended
})

t.test(
  'a site refuses a secret that is short, open to others or not there, and audits a wrong one',
  async (t) => {
    const grid = await startLiveGrid(t, { started: false })
    const { config } = grid.provisioned.site
    const port = await freePort()
    const hooks = { host: '127.0.0.1', port, secretFile: 'hook.secret' }
    const file = join(dirname(config), 'hook.secret')
    await configure(grid, {}, { hooks: { ...hooks, host: '192.0.2.1' } })
    await t.rejects(grid.startSite(), { code: 'MDM_CONFIG' }, 'only on the loopback address')
    await configure(grid, {}, { hooks })
    await t.rejects(grid.startSite(), { code: 'MDM_CONFIG' }, 'no file')
    await writeFile(file, 'short', { mode: 0o600 })
    await t.rejects(grid.startSite(), { code: 'MDM_CONFIG' }, 'too short')
    await writeFile(file, `${SECRET}\n`)
    await grid.startSite()
    t.equal((await hook(`http://127.0.0.1:${port}`, SECRET)).status, 204)
    for (let i = 0; i < 3; i++) t.equal((await hook(`http://127.0.0.1:${port}`, `wrong ${i}`)).status, 401)
    const { audit } = JSON.parse(await readFile(config, 'utf8')) as { audit: string }
    const lines = (await readFile(join(dirname(config), audit), 'utf8')).trim().split('\n')
    const refused = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'hook-refused')
    t.match(refused, [{ outcome: 'refused', code: 'MDM_UNAUTHENTICATED', facts: { check: 'secret' } }])
    t.equal(refused.length, 1, 'the first of a minute')
    t.notMatch(lines.join(''), /wrong/)
  },
)
