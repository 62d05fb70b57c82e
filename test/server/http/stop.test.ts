import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import { z } from 'zod'
import { contract } from '@mdm/core/wire/contract'
import { route } from '../../../packages/server/src/http/route.ts'
import { known, listen } from './listener.ts'

const content = contract({ method: 'GET', path: '/v1/content/:name', params: z.object({ name: z.string() }) })

/** A listener whose one answer begins at once and ends when it is told to. */
async function listenSlowly(t: Parameters<typeof listen>[0], graceMs: number) {
  let finish = () => {}
  const ended = new Promise<void>((resolve) => (finish = resolve))
  const listener = await listen(
    t,
    {},
    (app) =>
      route(app, content, async () => ({
        headers: { 'content-length': 4 },
        body: (async function* () {
          yield Buffer.from('ab')
          await ended
          yield Buffer.from('cd')
        })(),
      })),
    graceMs,
  )
  return { ...listener, finish }
}

/** A connection of a client that keeps it. */
async function connection(url: string): Promise<{ socket: TLSSocket; read(until: RegExp): Promise<string> }> {
  const { hostname: host, port } = new URL(url)
  const tls = { cert: known.certificate, key: known.key, rejectUnauthorized: false }
  const socket = connect({ host, port: Number(port), ...tls })
  let text = ''
  socket.on('data', (piece) => (text += String(piece)))
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return {
    socket,
    async read(until) {
      while (!until.test(text)) {
        if (socket.destroyed) return `${text}(cut)`
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      return text
    },
  }
}

const GET = 'GET /v1/content/x HTTP/1.1\r\nhost: x\r\n'

t.test('while it stops, what is under way ends and what is new is told to come again', async (t) => {
  const { url, stop, finish, log } = await listenSlowly(t, 60_000)
  const busy = await connection(url)
  busy.socket.write(`${GET}\r\n`)
  await busy.read(/ab$/)
  const stopped = stop()
  busy.socket.write(`${GET}\r\n`)
  while (!log.join('').includes('MDM_UNREACHABLE')) await new Promise((resolve) => setTimeout(resolve, 5))
  await t.rejects(connection(url), 'no new connection')
  finish()
  const answers = await busy.read(/\}$/)
  t.match(answers, /^HTTP\/1\.1 200 [^]*\r\n\r\nabcdHTTP\/1\.1 503 /, 'the one under way is whole')
  const refused = answers.slice(answers.indexOf('abcd'))
  t.match(refused, /^connection: close\r$/im)
  t.match(refused, /"code":"MDM_UNREACHABLE"/)
  t.match(refused, /"status":503/)
  t.match(refused, /^mdm-request-id: [0-9a-f]{32}\r$/im)
  await stopped
  t.notMatch(log.join(''), '"fault"', 'a stop is no fault')
})

t.test('an answer that takes longer than the bound is cut, and the log says so', async (t) => {
  const { url, stop, log } = await listenSlowly(t, 50)
  const busy = await connection(url)
  busy.socket.write(`${GET}\r\n`)
  await busy.read(/ab$/)
  await stop()
  t.match(await busy.read(/never/), /ab\(cut\)$/)
  t.match(log.join(''), /"event":"request-cut".*"route":"\/v1\/content\/:name"/)
})

t.test(
  'an answer that began before the stop does not hold it when the client keeps its connection',
  async (t) => {
    const { url, stop, finish } = await listenSlowly(t, 600_000)
    const busy = await connection(url)
    busy.socket.write(`${GET}\r\n`)
    await busy.read(/ab$/)
    const stopped = stop()
    finish()
    await stopped
    t.match(await busy.read(/abcd$/), /abcd$/)
  },
)
