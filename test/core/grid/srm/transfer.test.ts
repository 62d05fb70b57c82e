import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { StorageConnections } from '@mdm/core/grid/srm/connections'
import { readCaFolder } from '@mdm/core/grid/srm/ca-folder'
import { openFile, type Continuation } from '@mdm/core/grid/srm/transfer'
import { caller, json, pinOf, problem, service as pair } from '../../../fixtures/loopback.ts'
import { startStorageElement, type StorageElement } from '../../../fixtures/storage-element.ts'
import { makeStoragePki } from '../../../fixtures/storage-pki.ts'
import { ec, servicePair } from '../../identity/certificates.ts'

const CONTENT = randomBytes(100_000)
const ETAG = '"k1"'

async function started(
  t: Test,
  o: { pins?: string[]; idleTimeoutMs?: number } = {},
): Promise<{
  element: StorageElement
  fetch(o?: { bytes?: number; from?: Continuation }): Promise<Buffer>
  open(o?: { bytes?: number; from?: Continuation }): ReturnType<typeof openFile>
}> {
  const element = await startStorageElement(t, pair)
  element.files.set('/f', { content: CONTENT, headers: { etag: ETAG } })
  const trust = { cas: await readCaFolder('/nonexistent'), pins: new Set(o.pins ?? [pinOf(pair)]) }
  const connections = new StorageConnections({ trust, credential: caller, ...o })
  t.teardown(() => connections.close())
  const open = ({ bytes, from }: { bytes?: number; from?: Continuation } = {}) =>
    openFile(
      connections,
      { turl: new URL(element.turl('/f')), ...(bytes === undefined ? {} : { bytes }) },
      { from },
    )
  const fetch = async (p: { bytes?: number; from?: Continuation } = {}) => {
    const chunks: Buffer[] = []
    for await (const chunk of (await open(p)).body) chunks.push(Buffer.from(chunk))
    return Buffer.concat(chunks)
  }
  return { element, open, fetch }
}

t.test('a file comes whole, or behind what is there while it is the same', async (t) => {
  const { element, open, fetch } = await started(t)
  t.strictSame(await fetch({ bytes: CONTENT.length }), CONTENT)
  const from = { start: 60_000, etag: 'k1' }
  t.match(await open({ from }), { start: 60_000, bytes: CONTENT.length, etag: 'k1' })
  t.strictSame(await fetch({ from }), CONTENT.subarray(60_000))
  t.equal(element.transfers.at(-1), 'GET /f bytes=60000-')
  t.match(await open({ from: { start: 60_000, etag: 'another' } }), { start: 0 }, 'another one comes whole')
  element.files.get('/f')!.headers = { etag: 'W/"weak"' }
  t.equal((await open()).etag, undefined, 'a weak tag promises nothing')
})

t.test('a length other than the one announced is refused', async (t) => {
  const { element, fetch } = await started(t)
  await t.rejects(fetch({ bytes: CONTENT.length + 1 }), { code: 'MDM_INTEGRITY' }, 'by the answer')
  const chunked = (length: number) => {
    element.transfer = (_, reply) => {
      reply.writeHead(200, { 'transfer-encoding': 'chunked' })
      reply.end(Buffer.alloc(length))
      return true
    }
  }
  chunked(11)
  await t.rejects(fetch({ bytes: 10 }), { code: 'MDM_INTEGRITY' }, 'more than that')
  chunked(9)
  await t.rejects(fetch({ bytes: 10 }), { code: 'MDM_UNREACHABLE' }, 'less than that')
  element.transfer = (_, reply) => {
    reply.writeHead(206, { 'content-range': `bytes 5-9/10`, 'content-length': 5 }).end(Buffer.alloc(5))
    return true
  }
  await t.rejects(fetch({ from: { start: 4, etag: 'k1' } }), { code: 'MDM_INTEGRITY' }, 'another part')
  await t.rejects(fetch(), { code: 'MDM_INTEGRITY' }, 'a part that nobody asked for')
})

t.test('a transfer that is cut or goes silent is unreachable', async (t) => {
  const { element, fetch } = await started(t, { idleTimeoutMs: 500 })
  element.files.set('/f', { content: CONTENT, headers: {}, cutAfter: 5_000 })
  await t.rejects(fetch(), { code: 'MDM_UNREACHABLE' })
  element.files.set('/f', { content: CONTENT, headers: {}, stallAfter: 5_000 })
  await t.rejects(fetch(), { code: 'MDM_UNREACHABLE' })
})

t.test(
  'doors send a client on, over https, three times at the most, to servers that prove themselves',
  async (t) => {
    const { element, fetch } = await started(t)
    const location = (target: (step: number) => string) => {
      let step = 0
      element.transfer = (request, reply) => {
        if (request.url === '/there') return (reply.end('here'), true)
        reply.writeHead(307, { location: target(++step) }).end()
        return true
      }
    }
    location((step) => (step < 3 ? `/hop${step}` : element.turl('/there')))
    t.equal((await fetch()).toString(), 'here')
    location((step) => `/hop${step}`)
    await t.rejects(fetch(), { code: 'MDM_UNREACHABLE' }, 'not for ever')
    location(() => 'http://127.0.0.1:9/x')
    await t.rejects(fetch(), { code: 'MDM_PEER' }, 'not without TLS')
    const stranger = await startStorageElement(t, servicePair())
    location(() => stranger.turl('/x'))
    await t.rejects(fetch(), { code: 'MDM_PEER' }, 'not to somebody else')
    t.strictSame(stranger.transfers, [], 'who is sent nothing')
  },
)

t.test('a door sends on to a pool of the same CAs, and to nobody whom they do not know', async (t) => {
  const pki = await makeStoragePki(t)
  const door = await startStorageElement(t, pki.issue())
  const trust = { cas: await readCaFolder(pki.dir), pins: new Set<string>() }
  const connections = new StorageConnections({ trust, credential: caller })
  t.teardown(() => connections.close())
  const sentTo = async (target: string, status = 302) => {
    door.transfer = (_, reply) => (reply.writeHead(status, { location: target }).end(), true)
    const { body } = await openFile(connections, {
      turl: new URL(door.turl('//pnfs/f')),
      bytes: CONTENT.length,
    })
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(Buffer.from(chunk))
    return Buffer.concat(chunks)
  }
  const pool = await startStorageElement(t, pki.issue())
  pool.files.set('/f?uuid=1', { content: CONTENT, headers: {} })
  for (const status of [301, 302, 303, 307, 308])
    t.strictSame(await sentTo(pool.turl('/f?uuid=1'), status), CONTENT)
  const [scheme, rest] = pool.turl('/f').split('//')
  t.strictSame(await sentTo(`//${rest}?uuid=1`), CONTENT, 'also by a reference without a scheme')

  const strangers = {
    'of another CA': servicePair(),
    'of a CA that only calls itself so': pki.issue({ signer: ec() }),
    'with the name of another host': pki.issue({ host: 'pool.example.org' }),
    'that has ended': pki.issue({ notAfter: new Date(Date.now() - 60_000) }),
  }
  for (const [what, stranger] of Object.entries(strangers)) {
    const host = await startStorageElement(t, stranger)
    host.files.set('/f', { content: CONTENT, headers: {} })
    await t.rejects(sentTo(host.turl('/f')), { code: 'MDM_PEER' }, what)
    t.strictSame([host.transfers, host.calls, host.firstRecords], [[], [], []], `${what}: is sent nothing`)
  }
  for (const target of [
    pool.turl('/f').replace('https', 'http'),
    `${scheme}//user:secret@${rest}`,
    'ftp://h/f',
    'file:///etc/passwd',
  ])
    await t.rejects(sentTo(target), { code: 'MDM_PEER' }, target)
})

t.test('a refusal says what it means, and no text of a stranger', async (t) => {
  const { element, fetch } = await started(t)
  const answer = (status: number, body?: object) => {
    element.transfer = (_, reply) => {
      if (body !== undefined) json(reply, body, status)
      else reply.writeHead(status).end('<html>')
      return true
    }
  }
  for (const [status, code] of [
    [404, 'MDM_NOT_FOUND'],
    [410, 'MDM_GONE'],
    [401, 'MDM_DENIED'],
    [403, 'MDM_DENIED'],
    [500, 'MDM_UNREACHABLE'],
    [304, 'MDM_UNREACHABLE'],
  ] as const) {
    answer(status)
    await t.rejects(fetch(), { code }, String(status))
  }
  answer(409, problem('MDM_SOURCE_CHANGED', 409))
  await t.rejects(fetch(), { code: 'MDM_SOURCE_CHANGED', message: /^the source no longer holds/ })
  answer(500, problem('MDM_DENIED', 500))
  await t.rejects(fetch(), { code: 'MDM_UNREACHABLE' }, 'a code that does not go with its status')
})

t.test('checksums are taken from the header Digest', async (t) => {
  const { element, open } = await started(t)
  const sha = `${'A'.repeat(43)}=`
  element.files.get('/f')!.headers = { digest: `ADLER32=3da0195, SHA-256=${sha}` }
  t.strictSame((await open()).digest, { adler32: '03da0195', sha256: sha })
  element.files.get('/f')!.headers = { digest: 'crc32c=00000000' }
  t.strictSame((await open()).digest, {})
})
