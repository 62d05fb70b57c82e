import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { Agent } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import { z } from 'zod'
import { MdmError } from '@mdm/core/errors'
import { contract } from '@mdm/core/wire/contract'
import { createLimiter } from '../../../packages/server/src/http/limit.ts'
import { route } from '../../../packages/server/src/http/route.ts'
import { comparable, known, listen, server, unknown } from './listener.ts'

const thing = contract({
  method: 'GET',
  path: '/v1/things/:thing',
  params: z.object({ thing: z.string().regex(/^[a-z]+$/) }),
  reply: z.object({ name: z.string(), dn: z.string() }),
})
const post = contract({
  method: 'POST',
  path: '/v1/things',
  body: z.strictObject({ name: z.string() }),
  reply: z.object({ name: z.string() }),
})
const canary = 'CANARY-DOE'

const listenThings = (t: Parameters<typeof listen>[0], o: Parameters<typeof listen>[1] = {}) =>
  listen(t, o, (app) => {
    route(app, thing, async ({ params, caller, timing }) => {
      if (params.thing === 'absent')
        throw new MdmError('MDM_NOT_FOUND', `no ${canary}`, { details: { canary } })
      if (params.thing === 'broken') throw new Error(canary)
      if (params.thing === 'wrong') return { name: 7 as unknown as string, dn: canary }
      if (params.thing === 'denied')
        throw new MdmError('MDM_DENIED', 'ask for the preset "process"', { details: { preset: 'process' } })
      await timing.measure('look', () => undefined)
      return { name: params.thing, dn: caller.dn }
    })
    route(app, post, async ({ body }) => body)
  })

t.test('a known caller gets the reply of the contract, and how long each step took', async (t) => {
  const { ask } = await listenThings(t)
  const answer = await ask('/v1/things/lamp')
  t.equal(answer.status, 200)
  t.strictSame(JSON.parse(answer.body), { name: 'lamp', dn: 'CN=known' })
  t.match(answer.headers['server-timing'], /^look;dur=/)
  t.match(answer.headers['mdm-request-id'], /^[0-9a-f]{32}$/)
})

t.test('whom we cannot identify gets one answer everywhere, to the byte', async (t) => {
  const { ask } = await listenThings(t)
  const answers = [
    await ask('/v1/things/lamp', { as: null }),
    await ask('/v1/things/lamp', { as: unknown }),
    await ask('/v1/things/absent', { as: unknown }),
    await ask('/v1/things/NOT-WELL-FORMED', { as: unknown }),
    await ask('/v1/nothing', { as: unknown }),
    await ask('/health', { as: null }),
    await ask('/%zz', { as: unknown }),
    await ask(`/v1/things/${'x'.repeat(600)}`, { as: unknown }),
    await ask('/v1/things', {
      as: unknown,
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'application/json' },
    }),
    await ask('/v1/things', { as: unknown, method: 'PROPFIND' }),
  ].map(comparable)
  t.match(answers[0], { status: 401, body: /"code":"MDM_UNAUTHENTICATED"/ })
  for (const answer of answers) t.strictSame(answer, answers[0])
})

t.test('what is absent, forbidden to know or no route at all is one answer, to the byte', async (t) => {
  const { ask } = await listenThings(t)
  const answers = [await ask('/v1/things/absent'), await ask('/v1/nothing'), await ask('/')].map(comparable)
  t.match(answers[0], { status: 404, body: /"code":"MDM_NOT_FOUND"/ })
  for (const answer of answers) t.strictSame(answer, answers[0])
})

t.test(
  'a fault of ours tells the caller and the log its code and place, and nothing of its text',
  async (t) => {
    const { ask, log } = await listenThings(t)
    for (const path of ['/v1/things/broken', '/v1/things/wrong']) {
      const answer = await ask(path)
      t.equal(answer.status, 500)
      t.match(JSON.parse(answer.body), { code: 'MDM_INTERNAL', title: 'a fault in MDM itself' })
      t.notMatch(answer.body, canary)
    }
    await ask('/v1/things/absent')
    t.match(log.join(''), /"event":"fault","code":"MDM_INTERNAL"/)
    t.match(log.join(''), '/v1/things/:thing')
    t.notMatch(log.join(''), canary)
    t.notMatch(log.join(''), 'things/broken')
  },
)

t.test('a refusal that says what to ask for keeps its message and details', async (t) => {
  const { ask } = await listenThings(t)
  const answer = await ask('/v1/things/denied')
  t.match(answer.headers['content-type'], /^application\/problem\+json/)
  t.strictSame(JSON.parse(answer.body), {
    title: 'ask for the preset "process"',
    status: 403,
    code: 'MDM_DENIED',
    details: { preset: 'process' },
  })
})

t.test('a request that breaks its contract names the field and repeats no value', async (t) => {
  const { ask } = await listenThings(t)
  const json = { 'content-type': 'application/json' }
  const answers = [
    await ask(`/v1/things/${canary}`),
    await ask('/v1/things', { method: 'POST', headers: json, body: `{"name":7,"${canary}":1}` }),
    await ask('/v1/things', { method: 'POST', headers: json, body: `{"name":"${canary}` }),
    await ask('/v1/things', { method: 'POST', headers: json, body: `{"__proto__":{"x":1},"name":"x"}` }),
    await ask('/v1/things', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: canary }),
  ]
  for (const answer of answers) {
    t.equal(answer.status, 400)
    t.match(JSON.parse(answer.body), { code: 'MDM_BAD_REQUEST' })
    t.notMatch(answer.body, canary)
  }
  t.match(JSON.parse(answers[0]!.body), { details: { fields: ['thing'] } })
})

t.test('a body or header beyond the limit is refused', async (t) => {
  const { ask } = await listenThings(t, { maxBodyBytes: 1000 })
  const body = JSON.stringify({ name: 'x'.repeat(2000) })
  const answer = await ask('/v1/things', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  t.match(JSON.parse(answer.body), { code: 'MDM_BAD_REQUEST' })
  await t.rejects(ask('/v1/things/lamp', { headers: { 'x-long': 'x'.repeat(20_000) } }))
})

t.test('every refusal is told before it is answered, and a fault there is the answer', async (t) => {
  const told: unknown[] = []
  let fault: Error | undefined
  const { ask } = await listenThings(t, {
    refused: async ({ code, caller, params }) => {
      told.push([code, caller?.dn, params.thing])
      if (fault !== undefined) throw fault
    },
  })
  await ask('/v1/things/absent')
  await ask('/v1/things/lamp', { as: unknown })
  await ask('/v1/things/broken')
  t.strictSame(told, [
    ['MDM_NOT_FOUND', 'CN=known', 'absent'],
    ['MDM_UNAUTHENTICATED', undefined, 'lamp'],
  ])
  fault = new MdmError('MDM_AUDIT')
  const answer = await ask('/v1/things/absent')
  t.equal(answer.status, 503)
  t.match(JSON.parse(answer.body), { code: 'MDM_AUDIT' })
})

t.test('a caller who asks too often waits; the others do not, and it is not audited', async (t) => {
  let told = 0
  const { ask } = await listenThings(t, {
    limit: createLimiter({ perSecond: 0.001, burst: 2 }),
    refused: async () => void told++,
  })
  const codes = []
  for (let i = 0; i < 4; i++) codes.push((await ask('/v1/things/lamp')).status)
  t.strictSame(codes, [200, 200, 429, 429])
  t.equal(told, 0)
  t.equal((await ask('/v1/things/lamp', { as: unknown })).status, 401)
})

t.test('a caller whose standing ends is refused on the connection that is open', async (t) => {
  let banned = false
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    rejectUnauthorized: false,
    cert: known.certificate,
    key: known.key,
  })
  t.teardown(() => agent.destroy())
  const { ask } = await listenThings(t, {
    identify: ([leaf]) => {
      if (banned) throw new MdmError('MDM_BANNED')
      return {
        kind: 'user',
        dn: 'CN=known',
        issuer: 'CN=known',
        spki: leaf!.fingerprint256,
        notAfter: new Date(),
        fqans: [],
      } as never
    },
  })
  const overAgent = { agent } as object
  t.equal((await ask('/v1/things/lamp', overAgent)).status, 200)
  banned = true
  t.match(await ask('/v1/things/lamp', overAgent), { status: 403, body: /MDM_BANNED/ })
  t.equal(Object.values(agent.freeSockets).flat().length, 1, 'it was one connection')
})

t.test('a caller whose standing ends while his body comes in is refused when it is whole', async (t) => {
  let banned = false
  const identified: boolean[] = []
  const { url } = await listenThings(t, {
    identify: ([leaf]) => {
      identified.push(banned)
      if (banned) throw new MdmError('MDM_BANNED')
      const { fingerprint256: spki } = leaf!
      const user = { kind: 'user', dn: 'CN=known', issuer: 'CN=known', spki, notAfter: new Date(), fqans: [] }
      return user as never
    },
  })
  const body = '{"name":"lamp"}'
  const head = `POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
  const slow = async (ban: boolean) => {
    const { socket } = await connection(url)
    socket.write(head + body.slice(0, 5))
    await wait(1_050)
    banned = ban
    socket.write(body.slice(5))
    const [answer] = await once(socket, 'data')
    banned = false
    socket.destroy()
    return String(answer)
  }
  const [kept, cut] = [await slow(false), await slow(true)]
  t.match(kept, /^HTTP\/1\.1 200[^]*lamp/)
  t.match(cut, /^HTTP\/1\.1 403[^]*MDM_BANNED/)
  t.strictSame(identified, [false, false, false, true])
})

t.test('a body that is cut short or is not HTTP is no fault of ours', async (t) => {
  const { url, log } = await listenThings(t)
  const head = 'POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'
  const texts = [`${head}content-length: 9\r\n\r\n{`, `${head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`]
  for (const text of texts) {
    const lines = log.length
    const { socket } = await connection(url)
    socket.end(text)
    await once(socket, 'close')
    while (!log.slice(lines).some((line) => line.includes('"code"'))) await wait(10)
    t.match(log.slice(lines).join(''), /"refusal","code":"MDM_BAD_REQUEST"/)
    t.notMatch(log.slice(lines).join(''), /"fault"/)
  }
})

/** Opens a connection, asks once if answered, and gives what a second connection would resume. */
async function connection(
  url: string,
  session?: Buffer,
): Promise<{ socket: TLSSocket; ask(): Promise<string>; session(): Promise<Buffer> }> {
  const { hostname: host, port } = new URL(url)
  const credential = { cert: known.certificate, key: known.key, rejectUnauthorized: false }
  const socket = connect({
    host,
    port: Number(port),
    ...credential,
    ...(session === undefined ? {} : { session }),
  })
  const offered = once(socket, 'session')
  offered.catch(() => undefined)
  await once(socket, 'secureConnect')
  return {
    socket,
    async ask() {
      socket.write('GET /v1/things/lamp HTTP/1.1\r\nhost: x\r\n\r\n')
      return String((await once(socket, 'data'))[0])
    },
    session: async () => (await offered)[0] as Buffer,
  }
}

t.test('an offered session is not resumed: every connection proves its key', async (t) => {
  const { url } = await listenThings(t)
  const first = await connection(url)
  t.match(await first.ask(), /^HTTP\/1\.1 200/)
  const second = await connection(url, await first.session())
  t.equal(second.socket.isSessionReused(), false)
  t.match(await second.ask(), /^HTTP\/1\.1 200/)
  for (const { socket } of [first, second]) socket.destroy()
})

t.test('a session that was resumed all the same is cut without an answer', async (t) => {
  const { app, url } = await listenThings(t)
  // The listener gives no tickets; with them given, the guard behind stands alone.
  app.server.setSecureContext({ cert: server.certificate, key: server.key, minVersion: 'TLSv1.3' })
  const first = await connection(url)
  t.match(await first.ask(), /^HTTP\/1\.1 200/)
  const second = await connection(url, await first.session())
  t.equal(second.socket.isSessionReused(), true)
  await t.rejects(
    Promise.race([second.ask(), once(second.socket, 'close').then(() => Promise.reject(new Error('cut')))]),
  )
  first.socket.destroy()
})

t.test('nothing older than TLS 1.3 is spoken', async (t) => {
  const { ask } = await listenThings(t)
  await t.rejects(ask('/v1/things/lamp', { maxVersion: 'TLSv1.2' }))
})
