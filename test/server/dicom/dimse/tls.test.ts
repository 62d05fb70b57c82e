import { createCa, createServiceCertificate, issueCertificate } from '@mdm/core/identity/ca'
import { associate, type IncomingAssociation } from '@mdm/server/dicom/dimse/index'
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { ELE, listen, MR, objectsOf, open, openSockets, peerAt, STORE, until } from './both-ends.ts'

const days = 2
const ca = await createCa({ dn: 'CN=DICOM Test CA', days })
const [here, elsewhere, client, stranger] = await Promise.all([
  createServiceCertificate({ commonName: 'here', hosts: ['127.0.0.1'], days }),
  createServiceCertificate({ commonName: 'elsewhere', hosts: ['pacs.example.org'], days }),
  issueCertificate({ ca, dn: 'CN=modality', days, usage: 'client' }),
  createServiceCertificate({ commonName: 'stranger', hosts: ['127.0.0.1'], days }),
])
const SERVER = { ca: ca.certificate, cert: here.certificate, key: here.key }
const CLIENT = { ca: here.certificate, cert: client.certificate, key: client.key }
const NOT_KNOWN = { code: 'MDM_SOURCE_REFUSED', details: { dimse: 'tls' } }

t.test('both ends know each other: objects pass, and the certificate of the caller is told', async (t) => {
  const seen: IncomingAssociation[] = []
  const server = await listen(t, { tls: SERVER, authorize: (association) => seen.push(association) > 0 })
  const association = await open(t, server.port, STORE, { tls: CLIENT })
  const { data, ...object } = objectsOf(1, 300_000)[0]!
  t.equal(await association.store({ ...object, chunks: [data] }), 0)
  t.ok(server.kept[0]!.data.equals(data))
  await association.release()
  const digest = new X509Certificate(client.certificate).fingerprint256.replaceAll(':', '').toLowerCase()
  t.equal(seen[0]?.tlsPeer, digest)
  t.equal(seen[0]?.peerAddress, '127.0.0.1')
  t.ok(await until(() => openSockets() <= 1), 'no socket is left')
})

t.test('a server that shows another certificate, or one for another name, is not called', async (t) => {
  const server = await listen(t, { tls: SERVER })
  const other = await listen(t, { tls: { ...SERVER, cert: elsewhere.certificate, key: elsewhere.key } })
  const tls = { ...CLIENT, ca: stranger.certificate }
  await t.rejects(associate(peerAt(server.port, { tls }), STORE), NOT_KNOWN, 'unknown certificate')
  const named = { ...CLIENT, ca: elsewhere.certificate }
  await t.rejects(associate(peerAt(other.port, { tls: named }), STORE), NOT_KNOWN, 'another name')
  const servername = 'pacs.example.org'
  await (await open(t, other.port, STORE, { tls: { ...named, servername } })).echo()
})

t.test(
  'a caller without a certificate, or with one we do not know, gets no association, and is reported',
  async (t) => {
    const server = await listen(t, { tls: SERVER })
    for (const pair of [{}, { cert: stranger.certificate, key: stranger.key }]) {
      const peer = peerAt(server.port, { tls: { ca: here.certificate, ...pair } })
      // TLS 1.3 lets a client believe that it is in until the server has seen its certificate
      await t.rejects(associate(peer, STORE), { code: /^MDM_SOURCE_(REFUSED|UNREACHABLE)$/ })
    }
    await t.rejects(
      associate(peerAt(server.port), STORE),
      { code: 'MDM_SOURCE_UNREACHABLE' },
      'no TLS at all',
    )
    t.ok(await until(() => server.faults.length === 3))
    t.same(server.faults, ['tls', 'tls', 'tls'])
    t.equal(server.kept.length, 0)
    t.ok(await until(() => openSockets() <= 1), 'no socket is left')
  },
)

t.test('TLS to a server without it ends as TLS that failed', async (t) => {
  const server = await listen(t)
  await t.rejects(associate(peerAt(server.port, { tls: CLIENT }), STORE), NOT_KNOWN)
})

t.test('an abort and a stop leave no socket under TLS either', async (t) => {
  const server = await listen(t, { tls: SERVER })
  const aborted = await open(t, server.port, STORE, { tls: CLIENT })
  aborted.abort()
  const cut = await open(t, server.port, STORE, { tls: CLIENT })
  await server.close()
  await t.rejects(cut.store({ sopClass: MR, sop: '1.2', transferSyntax: ELE, chunks: [] }), {
    code: 'MDM_SOURCE_UNREACHABLE',
  })
  t.ok(await until(() => openSockets() === 0))
})
