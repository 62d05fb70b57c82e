import { once } from 'node:events'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MdmError } from '@mdm/core/errors'
import { Peer } from '@mdm/core/grid/http'
import { getHealth, postStatement } from '@mdm/core/wire/common'
import { getContent, getVolume, listVolumes, postQuery } from '@mdm/core/wire/site'
import { caller, json, pinOf, problem, service, startService, type Answer } from '../../fixtures/loopback.ts'
import { servicePair } from '../identity/certificates.ts'

const READY = { status: 'ready', reasons: [] }

function peerOf(
  t: Test,
  url: string,
  o: { pins?: string[]; connectTimeoutMs?: number; name?: string } = {},
): Peer {
  const peer = new Peer({ url, pins: [pinOf(service)], credential: caller, ...o })
  t.teardown(() => peer.close())
  return peer
}

async function answering(t: Test, answer: Answer): Promise<Peer> {
  return peerOf(t, (await startService(t, answer)).url)
}

async function listening(t: Test, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A TLS listener that counts what it is told after the handshake. */
async function listener(t: Test, o: TlsOptions): Promise<{ url: string; received(): Promise<number> }> {
  let received = 0
  const server = createTlsServer({ minVersion: 'TLSv1.3', ...o }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => (received += chunk.length))
  })
  server.on('tlsClientError', () => {})
  // Late bytes would still come within this.
  return { url: await listening(t, server), received: async () => (await sleep(50), received) }
}

async function bytesOf(body: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0
  for await (const chunk of body) bytes += chunk.length
  return bytes
}

t.test(
  'a call fills path and query, sends the body, and gives the reply as its contract has it',
  async (t) => {
    const bodies: string[] = []
    const served = await startService(t, async (request, reply) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      bodies.push(Buffer.concat(chunks).toString())
      json(reply, { rows: [], withheld: [], unknown: 'left out' })
    })
    const peer = peerOf(t, served.url)
    t.same(await peer.call(postQuery, { body: { expr: 'modality="é"' } }), { rows: [], withheld: [] })
    t.same(JSON.parse(bodies[0]!), { expr: 'modality="é"' })
    t.same(await peer.call(listVolumes, { query: { limit: 7 } }), { rows: [] })
    await t.rejects(peer.call(getVolume, { params: { name: '/demo/pacs/MR/000001' } }), {
      code: 'MDM_BAD_REQUEST',
    })
    t.same(served.requests, [
      'POST /v1/query',
      'GET /v1/volumes?limit=7',
      'GET /v1/volumes/%2Fdemo%2Fpacs%2FMR%2F000001',
    ])
  },
)

t.test(
  'a question on a kept connection that the server had closed is asked again, once; a change is not',
  async (t) => {
    let hangUps = 0
    const peerTo = async (t: Test) => {
      const served = await startService(t, async (request, reply) => {
        for await (const _ of request);
        if (hangUps-- > 0) request.socket.destroy()
        else json(reply, request.method === 'POST' ? { rows: [], withheld: [] } : READY)
      })
      return { peer: peerOf(t, served.url), requests: served.requests }
    }
    const gone = { code: 'MDM_UNREACHABLE' }
    const { peer, requests } = await peerTo(t)
    hangUps = 1
    await t.rejects(peer.call(getHealth), gone, 'a new connection that dies says something')
    t.equal(requests.length, 1)
    t.same(await peer.call(getHealth), READY)
    hangUps = 1
    t.same(await peer.call(getHealth), READY)
    hangUps = 1
    t.same(await peer.call(postQuery, { body: { expr: 'rows>0' } }), { rows: [], withheld: [] })
    t.equal(requests.length, 6)
    hangUps = 2
    await t.rejects(peer.call(getHealth), gone, 'twice is no accident')
    t.equal(requests.length, 8)
    hangUps = 1
    await t.rejects(peer.call(postStatement, { body: { statement: 'e30.e30.e30' } }), gone)
    t.equal(requests.length, 9, 'a statement is sent once')
  },
)

t.test('a server with another key than the pinned one is told nothing', async (t) => {
  const other = await listener(t, { cert: service.certificate, key: service.key })
  const peer = peerOf(t, other.url, { pins: [pinOf(caller)] })
  await t.rejects(peer.call(getHealth), { code: 'MDM_PEER' })
  await t.rejects(peer.stream(getContent, { params: { name: 'secret' } }), { code: 'MDM_PEER' })
  await t.rejects(peer.call(postQuery, { body: { expr: 'patient_name=X' } }), { code: 'MDM_PEER' })
  t.equal(await other.received(), 0, 'not a byte after the handshake')
  await t.rejects(
    peerOf(t, other.url, { pins: [] }).call(getHealth),
    { code: 'MDM_PEER' },
    'no pin is no key',
  )
})

t.test('one of several pins is enough', async (t) => {
  const { url } = await startService(t, (_, reply) => json(reply, READY))
  t.same(await peerOf(t, url, { pins: ['00'.repeat(32), pinOf(service)] }).call(getHealth), READY)
})

t.test('the pinned key with a certificate outside its dates is told nothing', async (t) => {
  const [hour, now] = [3_600_000, Date.now()]
  const cases = {
    expired: servicePair({ notBefore: new Date(now - 2 * hour), notAfter: new Date(now - hour) }),
    'not valid yet': servicePair({ notBefore: new Date(now + hour), notAfter: new Date(now + 2 * hour) }),
  }
  for (const [what, pair] of Object.entries(cases)) {
    const at = await listener(t, { cert: pair.certificate, key: pair.key })
    const peer = peerOf(t, at.url, { pins: [pinOf(pair)] })
    await t.rejects(peer.call(getHealth), { code: 'MDM_PEER' }, what)
    t.equal(await at.received(), 0, `${what}: not a byte`)
  }
  const good = servicePair({ notBefore: new Date(now - hour), notAfter: new Date(now + hour) })
  const served = await startService(t, (_, reply) => json(reply, READY), good)
  t.same(await peerOf(t, served.url, { pins: [pinOf(good)] }).call(getHealth), READY, 'within its dates')
})

t.test('a server of TLS 1.2 is not spoken to', async (t) => {
  const old = await listener(t, {
    cert: service.certificate,
    key: service.key,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
  })
  await t.rejects(peerOf(t, old.url).call(getHealth), { code: 'MDM_UNREACHABLE' })
  t.equal(await old.received(), 0)
})

t.test('an error says which answer of which server it is, whatever the document claims', async (t) => {
  const requestId = '0af7651916cd43dd8448eb211c80319c'
  const { url } = await startService(t, (_, reply) => {
    reply.setHeader('mdm-request-id', requestId)
    json(reply, problem('MDM_DENIED', 403, { server: 'another' }), 403)
  })
  const peer = peerOf(t, url, { name: 'the site' })
  const origin = { code: 'MDM_DENIED', details: { requestId, server: 'the site' } }
  await t.rejects(peer.call(getHealth), origin)
  await t.rejects(peer.stream(getContent, { params: { name: 'x' } }), origin)
})

t.test('a problem document becomes the error it was made of', async (t) => {
  const peer = await answering(t, (_, reply) =>
    json(reply, problem('MDM_DENIED', 403, { preset: 'process' }), 403),
  )
  for (const asked of [
    () => peer.call(getHealth),
    () => peer.stream(getContent, { params: { name: 'x' } }),
  ]) {
    const error = await asked().catch((e: unknown) => e)
    t.ok(error instanceof MdmError)
    t.match(error, {
      code: 'MDM_DENIED',
      exitCode: 4,
      message: 'refused: MDM_DENIED',
      details: { preset: 'process', requestId: 'r-1' },
    })
  }
})

t.test('a status that says no reason we know is a server that does not answer', async (t) => {
  const bodies: Record<string, string> = {
    nothing: '',
    'a page': '<html>502</html>',
    'another JSON': '{"error":"no"}',
    'an unknown code': JSON.stringify(problem('MDM_SOMETHING_NEW', 400)),
    'a code of the prototype': JSON.stringify(problem('constructor', 400)),
    'a title beyond measure': JSON.stringify({ ...problem('MDM_DENIED', 403), title: 'x'.repeat(501) }),
  }
  for (const [what, body] of Object.entries(bodies)) {
    const peer = await answering(t, (_, reply) => reply.writeHead(500).end(body))
    await t.rejects(peer.call(getHealth), { code: 'MDM_UNREACHABLE' }, what)
    await t.rejects(peer.stream(getContent, { params: { name: 'x' } }), { code: 'MDM_UNREACHABLE' }, what)
  }
})

t.test('a reply that is not what its contract says is refused', async (t) => {
  const bodies: Record<string, string> = {
    'not JSON': 'ready',
    empty: '',
    'cut JSON': '{"status":"ready"',
    'another type': '{"status":1,"reasons":[]}',
    'a missing field': '{"status":"ready"}',
    null: 'null',
  }
  for (const [what, body] of Object.entries(bodies)) {
    const peer = await answering(t, (_, reply) => reply.end(body))
    await t.rejects(peer.call(getHealth), { code: 'MDM_BAD_REQUEST' }, what)
  }
})

t.test('a reply that is too long is cut off, however it comes', async (t) => {
  let written = 0
  const endless: Answer = (_, reply) => {
    const more = () => {
      while (!reply.destroyed && reply.write(Buffer.alloc(65_536, 0x20))) written += 65_536
    }
    reply.on('drain', more)
    more()
  }
  const peer = await answering(t, endless)
  await t.rejects(peer.call(getHealth, {}, { maxReplyBytes: 100_000 }), { code: 'MDM_BAD_REQUEST' })
  t.ok(written < 32 * 1024 * 1024, `the server could write ${written} bytes`)
  const exact = JSON.stringify(READY)
  const small = await answering(t, (_, reply) => reply.end(exact))
  t.same(await small.call(getHealth, {}, { maxReplyBytes: exact.length }), READY, 'just fits')
  await t.rejects(small.call(getHealth, {}, { maxReplyBytes: exact.length - 1 }), { code: 'MDM_BAD_REQUEST' })
})

t.test('an abort ends a call with its reason, whatever the server is doing', async (t) => {
  const silent = await answering(t, () => {})
  const half = await answering(t, (_, reply) => void reply.writeHead(200).write('{"status":'))
  const reason = new MdmError('MDM_USAGE', 'enough')
  for (const [what, peer] of Object.entries({ silent, half })) {
    const abort = new AbortController()
    const call = peer.call(getHealth, {}, { signal: abort.signal })
    setTimeout(() => abort.abort(reason), 50)
    t.equal(await call.catch((e: unknown) => e), reason, what)
  }
  const late = new AbortController()
  const reply = await half.stream(getContent, { params: { name: 'x' } }, { signal: late.signal })
  setTimeout(() => late.abort(reason), 50)
  await t.rejects(bytesOf(reply.body), { message: 'enough' }, 'a stream under way')
  await t.rejects(silent.call(getHealth, {}, { signal: AbortSignal.abort(reason) }), { message: 'enough' })
  await t.rejects(
    silent.call(getHealth, {}, { signal: AbortSignal.timeout(50) }),
    { name: 'TimeoutError' },
    'and the peer is still of use',
  )
})

t.test('a server that refuses, hangs in the handshake, or hangs up does not answer', async (t) => {
  const closed = createTcpServer()
  const url = await listening(t, closed)
  await new Promise((done) => closed.close(done))
  const refused = {
    code: 'MDM_UNREACHABLE',
    message: `the server (${url}) does not answer: nothing listens there`,
  }
  await t.rejects(peerOf(t, url).call(getHealth), refused, 'refused')

  const hanging = createTcpServer((socket) => void t.teardown(() => socket.destroy()))
  const mute = peerOf(t, await listening(t, hanging), { connectTimeoutMs: 200 })
  await t.rejects(mute.call(getHealth), { code: 'MDM_UNREACHABLE' }, 'no handshake')

  const rude = await answering(t, (request) => request.socket.destroy())
  await t.rejects(rude.call(getHealth), { code: 'MDM_UNREACHABLE' }, 'hung up')

  const plain = createTcpServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\n\r\n'))
  await t.rejects(
    peerOf(t, await listening(t, plain)).call(getHealth),
    { code: 'MDM_UNREACHABLE' },
    'not TLS',
  )
})

t.test('a body that is cut is no body', async (t) => {
  const cut: Answer = (_, reply) => {
    reply.writeHead(200, { 'content-length': 1000 })
    reply.write('{"status":"ready","reasons":[]}')
    setTimeout(() => reply.destroy(), 20)
  }
  const peer = await answering(t, cut)
  await t.rejects(peer.call(getHealth), { code: 'MDM_UNREACHABLE' })
  const reply = await peer.stream(getContent, { params: { name: 'x' } })
  t.equal(reply.headers['content-length'], '1000')
  await t.rejects(bytesOf(reply.body), { code: 'MDM_UNREACHABLE' })
})

t.test(
  'a body that nobody reads ends nobody else: neither when it is let go nor when the peer is closed',
  async (t) => {
    let gone = 0
    const served = await startService(t, (request, reply) => {
      reply.writeHead(200, { 'content-length': 1e9 })
      reply.write(Buffer.alloc(100_000))
      request.socket.on('close', () => gone++)
    })
    const input = { params: { name: '00000000-0000-4000-8000-000000000000' } }
    const peer = peerOf(t, served.url)
    const refused = await peer.stream(getContent, input)
    refused.discard()
    for (let i = 0; i < 200 && gone === 0; i++) await sleep(25)
    t.equal(gone, 1, 'the server need not go on sending')
    await peer.stream(getContent, input)
    await peer.close()
    for (let i = 0; i < 200 && gone === 1; i++) await sleep(25)
    t.equal(gone, 2)
  },
)

t.test('a closed peer ends what is under way', async (t) => {
  const peer = await answering(t, () => {})
  const call = peer.call(getHealth)
  setTimeout(() => void peer.close(), 50)
  await t.rejects(call, { code: 'MDM_UNREACHABLE' })
})
