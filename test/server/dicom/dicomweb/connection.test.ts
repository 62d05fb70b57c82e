import { createServiceCertificate } from '@mdm/core/identity/ca'
import { dicomwebRoot } from '@mdm/server/dicom/dicomweb/address'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { caller, service } from '../../../fixtures/loopback.ts'
import { small } from '../../volume/generated.ts'
import { openSource, startServer, storedIn } from './server.ts'
import { wantedOf } from '../../../fixtures/wanted.ts'

const CA = { ca: Buffer.from(service.certificate) }
const SERVER = { cert: service.certificate, key: service.key }
const UNREACHABLE = { code: 'MDM_SOURCE_UNREACHABLE' }
const REFUSED = { code: 'MDM_SOURCE_REFUSED' }

t.test('the root is a host and a path; without TLS only on a loopback address, as a number', async (t) => {
  const good = {
    'dicomweb+https://pacs.example/dicom-web/': 'https://pacs.example/dicom-web',
    'dicomweb+https://pacs.example:8443': 'https://pacs.example:8443/',
    'DICOMWEB+HTTPS://pacs.example/a': 'https://pacs.example/a',
    'dicomweb+http://127.0.0.1:8042/dicom-web': 'http://127.0.0.1:8042/dicom-web',
    'dicomweb+http://127.9.8.7/x': 'http://127.9.8.7/x',
    'dicomweb+http://[::1]:8042/x': 'http://[::1]:8042/x',
  }
  for (const [url, root] of Object.entries(good)) t.equal(dicomwebRoot('pacs', url).href, root)
  const bad = [
    'dicomweb+http://pacs.example/dicom-web',
    'dicomweb+http://localhost/dicom-web',
    'dicomweb+http://127.0.0.1.example/dicom-web',
    'dicomweb+http://10.0.0.1/dicom-web',
    'dicomweb+http://0.0.0.0/dicom-web',
    'dicomweb+http://[::]/dicom-web',
    'dicomweb+http://[::ffff:10.0.0.1]/dicom-web',
    'dicomweb+https://user:password@pacs.example/dicom-web',
    'dicomweb+https://pacs.example/dicom-web?x=1',
    'dicomweb+https://pacs.example/dicom-web#x',
    'dicomweb+https://',
    'dicomweb+ftp://127.0.0.1/',
    'https://pacs.example/dicom-web',
    'dicomweb://pacs.example/dicom-web',
  ]
  for (const url of bad) t.throws(() => dicomwebRoot('pacs', url), { code: 'MDM_CONFIG' }, url)
})

t.test('a server is known by its certificate or its CA, and by its name', async (t) => {
  const folder = t.testdir()
  const written = await writeSeries(folder, small())
  const server = await startServer(t, storedIn(folder), SERVER)
  const known = openSource(t, server, { tls: CA }).source
  t.equal(await known.count(written), 6)
  const sops: string[] = []
  for await (const { header } of known.retrieve(written, wantedOf(written.sops))) sops.push(header.sop)
  t.equal(sops.length, 6)
  const strangers = {
    'no CA': {},
    'another CA': { tls: { ca: Buffer.from(caller.certificate) } },
    'another name': { tls: { ...CA, servername: 'pacs.example' } },
  }
  for (const [why, o] of Object.entries(strangers)) {
    const { source, budget } = openSource(t, server, o)
    const error = await source.count(written).catch((caught: Error) => caught)
    t.match(error, { ...REFUSED, message: /certificate/ }, why)
    t.equal(budget.used, 0)
  }
  const named = await createServiceCertificate({ commonName: 'pacs', hosts: ['pacs.example'], days: 2 })
  const other = await startServer(t, storedIn(folder), { cert: named.certificate, key: named.key })
  const tls = { ca: Buffer.from(named.certificate) }
  await t.rejects(openSource(t, other, { tls }).source.count(written), REFUSED)
  t.equal(
    await openSource(t, other, { tls: { ...tls, servername: 'pacs.example' } }).source.count(written),
    6,
  )
})

t.test('a server that wants a certificate, or a password, gets ours, and only there', async (t) => {
  const folder = t.testdir()
  const written = await writeSeries(folder, small())
  const wanted = { ...SERVER, requestCert: true, rejectUnauthorized: true, ca: [caller.certificate] }
  const server = await startServer(t, storedIn(folder), wanted)
  const own = { cert: Buffer.from(caller.certificate), key: Buffer.from(caller.key) }
  t.equal(await openSource(t, server, { tls: { ...CA, ...own } }).source.count(written), 6)
  await t.rejects(openSource(t, server, { tls: CA }).source.count(written), REFUSED)

  const seen: (string | undefined)[] = []
  const plain = await startServer(t, storedIn(folder))
  plain.script = (_, reply, { headers }) => {
    seen.push(headers.authorization)
    if (headers.authorization !== undefined) return false
    return (reply.writeHead(401, { 'www-authenticate': 'Basic realm="pacs"' }).end(), true)
  }
  const credentials = { user: 'mdm', password: 'pa:ß' }
  t.equal(await openSource(t, plain, { credentials }).source.count(written), 6)
  await t.rejects(openSource(t, plain).source.count(written), { ...REFUSED, message: /credentials/ })
  t.same(seen, [`Basic ${Buffer.from('mdm:pa:ß').toString('base64')}`, undefined])
})

t.test('nobody there, no handshake, no TLS: each ends within the time to connect', async (t) => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => {})))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const { port } = silent.address() as AddressInfo
  const series = (url: string) => openSource(t, { url }, { connectMs: 300, tls: CA }).source.series()
  const late = await series(`dicomweb+https://127.0.0.1:${port}/`).catch((caught: Error) => caught)
  t.match(late, { ...UNREACHABLE, message: /connection in time/ })
  const server = await startServer(t, [])
  await t.rejects(series(server.url.replace('http:', 'https:')), UNREACHABLE, 'no TLS')
  await t.rejects(series('dicomweb+http://127.0.0.1:1/'), { ...UNREACHABLE, message: /accept connections/ })
  await t.rejects(series('dicomweb+https://pacs.invalid/'), UNREACHABLE, 'a name that nobody has')
})

t.test('a connection is used again, and one that was closed meanwhile harms nobody', async (t) => {
  const folder = t.testdir()
  const written = await writeSeries(folder, small())
  const server = await startServer(t, storedIn(folder))
  const { source, budget } = openSource(t, server)
  for (let n = 0; n < 5; n++) t.equal(await source.count(written), 6)
  for await (const _ of source.headers(written));
  t.equal(await source.count(written), 6)
  t.equal(server.connections(), 1, 'a reply that was read to its end gives its connection back')
  // Closes each connection when its second request comes, as a server does whose patience ends just then.
  const used = new WeakSet<object>()
  server.script = (_, reply) => {
    if (used.has(reply.socket!)) return (reply.socket!.resetAndDestroy(), true)
    used.add(reply.socket!)
    return false
  }
  for (let n = 0; n < 6; n++) t.equal(await source.count(written), 6, `request ${n}`)
  server.script = (_, reply) => (reply.socket!.resetAndDestroy(), true)
  await t.rejects(source.count(written), UNREACHABLE, 'on a new connection it is a fault')
  t.equal(budget.used, 0)
})

t.test('a closed source ends what is under way', async (t) => {
  const folder = t.testdir()
  const written = await writeSeries(folder, small())
  const server = await startServer(t, storedIn(folder))
  server.script = () => true
  const { source, budget } = openSource(t, server)
  const count = source.count(written)
  while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await source.close()
  await t.rejects(count, UNREACHABLE)
  t.equal(budget.used, 0)
})
