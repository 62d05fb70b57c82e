import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import type { App } from '../../../packages/server/src/http/app.ts'
import { dropDelegationFlag } from '../../../packages/server/src/http/delegation-flag.ts'
import { known, listen } from './listener.ts'

type Test = Parameters<typeof listen>[0]

/** A listener that tells method, path and body of what it got. */
const listenHttpg = (t: Test, o: Parameters<typeof listen>[1] = {}) =>
  listen(t, { speaks: 'httpg', ...o }, (app: App) => {
    app.all('/*', ({ method, url, body }, reply) => {
      if (method === 'MKCOL') throw new MdmError('MDM_DENIED')
      void reply.send(`${method} ${url} ${Buffer.isBuffer(body) ? body.toString() : ''}.`)
    })
  })

interface Connection {
  readonly socket: TLSSocket
  /** Everything read once it holds `until`, or the connection is over. */
  read(until: RegExp): Promise<string>
}

async function open(url: string, o: ConnectionOptions = {}): Promise<Connection> {
  const { hostname: host, port } = new URL(url)
  const socket = connect({
    ...{ host, port: Number(port), cert: known.certificate, key: known.key, rejectUnauthorized: false },
    ...o,
  })
  let text = ''
  socket.on('data', (piece) => (text += String(piece)))
  const closed = once(socket, 'close').catch(() => undefined)
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  return {
    socket,
    async read(until) {
      while (!until.test(text) && !socket.destroyed) {
        await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 5))])
      }
      return text
    },
  }
}

const requestOf = (line: string, body = '') =>
  `${line} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\ncontent-type: text/xml\r\n\r\n${body}`
const nextRecord = () => new Promise((resolve) => setTimeout(resolve, 20))

t.test('the delegation flag is taken off in whatever piece it comes, once', async (t) => {
  const { url } = await listenHttpg(t)
  const request = requestOf('POST /srm/managerv2', '<a/>')
  const ways: [string, string[]][] = [
    ['in its own record', ['0', request]],
    ['with the request', [`0${request}`]],
    ['with a part of it', [`0${request.slice(0, 9)}`, request.slice(9)]],
    ['not at all', [request]],
    ['not at all, the request byte by byte', [...request]],
  ]
  for (const [way, pieces] of ways) {
    const { socket, read } = await open(url)
    for (const piece of pieces) {
      socket.write(piece)
      if (pieces.length < 5) await nextRecord()
    }
    t.match(await read(/<a\/>\./), /^HTTP\/1\.1 200 [\s\S]*POST \/srm\/managerv2 <a\/>\.$/, way)
    socket.destroy()
  }
  const { socket, read } = await open(url)
  socket.write(`00${request}`)
  t.equal(await read(/never/), '', 'a second one is no request')
})

t.test('a large body behind the flag arrives whole and in order', async (t) => {
  const { url } = await listenHttpg(t)
  const body = Array.from({ length: 200_000 }, (_, i) => i.toString(36)).join(' ')
  const request = `0${requestOf('POST /large', body)}`
  for (const piece of [request.length, 70_000, 16_384, 1_000]) {
    const { socket, read } = await open(url)
    for (let at = 0; at < request.length; at += piece) socket.write(request.slice(at, at + piece))
    const answer = await read(/ 4abj\.$/)
    t.ok(answer.endsWith(`POST /large ${body}.`), `in pieces of ${piece}`)
    socket.destroy()
  }
})

t.test('the D of DELETE is left alone, and D as a flag is no request', async (t) => {
  const { url } = await listenHttpg(t)
  const whole = await open(url)
  whole.socket.write(requestOf('DELETE /mdm/x'))
  t.match(await whole.read(/\.$/), /DELETE \/mdm\/x/)
  whole.socket.destroy()
  const flag = await open(url)
  flag.socket.write('D')
  await nextRecord()
  flag.socket.write(requestOf('POST /x'))
  t.equal(await flag.read(/never/), '')
})

t.test('a connection carries many requests, each of which may begin with what was the flag', async (t) => {
  const { url } = await listenHttpg(t)
  const { socket, read } = await open(url)
  socket.write('0')
  for (let at = 0; at < 5; at++) {
    socket.write(requestOf(`POST /${at}`, `0${at}`))
    t.match(await read(new RegExp(`POST /${at} `)), `POST /${at} 0${at}.`)
  }
  socket.destroy()
})

t.test('absolute request targets, of any scheme, are their paths', async (t) => {
  const { url } = await listenHttpg(t)
  for (const [target, path] of [
    ['httpg://localhost:8446/srm/managerv2', '/srm/managerv2'],
    ['https://localhost/mdm/x?y=1', '/mdm/x?y=1'],
    ['httpg://localhost:8446', '/'],
    ['/mdm/http://x/y', '/mdm/http://x/y'],
  ] as const) {
    const { socket, read } = await open(url)
    socket.write(`0${requestOf(`POST ${target}`)}`)
    t.match(await read(/\.$/), `POST ${path} .`, target)
    socket.destroy()
  }
})

t.test('the methods of WebDAV arrive, and are refused as any request is', async (t) => {
  const codes: string[] = []
  const { ask, url } = await listenHttpg(t, { refused: async ({ code }) => void codes.push(code) })
  for (const method of ['PROPFIND', 'COPY', 'MOVE', 'LOCK', 'OPTIONS'])
    t.match(await ask('/mdm', { method }), { status: 200, body: `${method} /mdm .` })
  const refused = await ask('/mdm/x', { method: 'MKCOL' })
  t.match(refused, { status: 403, headers: { 'mdm-request-id': /^[0-9a-f]{32}$/ } })
  t.match(await ask('/mdm', { as: null, method: 'PROPFIND' }), { status: 401, body: /MDM_UNAUTHENTICATED/ })
  t.strictSame(codes, ['MDM_DENIED', 'MDM_UNAUTHENTICATED'])
  t.match(url, 'https://')
})

t.test('who is silent after the handshake does not keep the server from stopping', async (t) => {
  const { url, stop } = await listenHttpg(t)
  const silent = await open(url)
  const flagged = await open(url)
  flagged.socket.write('0')
  await nextRecord()
  await stop()
  t.equal(await silent.read(/never/), '')
  t.equal(await flagged.read(/never/), '')
})

t.test('who sends nothing after the handshake is cut after a while', async (t) => {
  const server = createServer({ cert: known.certificate, key: known.key }, (_request, reply) =>
    reply.end('.'),
  )
  dropDelegationFlag(server, 30)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const silent = await open(url)
  t.equal(await silent.read(/never/), '')
})

t.test('TLS is 1.2, whatever more a client can do, with forward secrecy', async (t) => {
  const { url } = await listenHttpg(t)
  const { socket } = await open(url)
  t.equal(socket.getProtocol(), 'TLSv1.2')
  t.match(socket.getCipher().name, /^(?:EC)?DHE-.*(?:GCM|CHACHA20)/)
  socket.destroy()
  await t.rejects(open(url, { minVersion: 'TLSv1.3' }), { code: /PROTOCOL_VERSION/ })
  await t.rejects(open(url, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }))
  await t.rejects(open(url, { ciphers: 'AES128-SHA256', maxVersion: 'TLSv1.2' }), {
    code: /HANDSHAKE_FAILURE/,
  })
})

t.test('no session is resumed: by ticket or by id, the second handshake is a whole one', async (t) => {
  const { url } = await listenHttpg(t)
  const sessions: Buffer[] = []
  const first = await open(url)
  first.socket.on('session', (session) => sessions.push(session))
  first.socket.write(requestOf('GET /x'))
  await first.read(/\.$/)
  const session = sessions[0] ?? first.socket.getSession()!
  first.socket.destroy()
  const second = await open(url, { session })
  t.equal(second.socket.isSessionReused(), false)
  second.socket.write(requestOf('GET /y'))
  t.match(await second.read(/\.$/), 'GET /y')
  second.socket.destroy()
})

t.test('a client that renegotiates is refused', async (t) => {
  if (spawnSync('openssl', ['version']).status !== 0) return t.pass('skipped: no openssl tool here')
  const { url } = await listenHttpg(t)
  const dir = t.testdir()
  writeFileSync(join(dir, 'cert.pem'), known.certificate)
  writeFileSync(join(dir, 'key.pem'), known.key, { mode: 0o600 })
  const { host } = new URL(url)
  const client = spawn('openssl', [
    ...['s_client', '-connect', host, '-tls1_2', '-legacy_renegotiation'],
    ...['-cert', join(dir, 'cert.pem'), '-key', join(dir, 'key.pem')],
  ])
  let told = ''
  client.stdout.on('data', (piece) => (told += String(piece)))
  client.stderr.on('data', (piece) => (told += String(piece)))
  const ended = once(client, 'close')
  client.stdin.write('0')
  while (!/Verify return code/.test(told) && client.exitCode === null) await nextRecord()
  client.stdin.write('R\n')
  await ended
  t.match(told, /RENEGOTIATING[\s\S]*(?:no renegotiation|handshake failure)/i)
})
