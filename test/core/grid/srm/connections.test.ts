import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { StorageConnections } from '@mdm/core/grid/srm/connections'
import { readCaFolder } from '@mdm/core/grid/srm/ca-folder'
import { SrmService } from '@mdm/core/grid/srm/service'
import { parseEndpoint } from '@mdm/core/grid/srm/srm-url'
import { writeProxy } from '@mdm/core/identity/proxy/write-proxy'
import { caller, pinOf, type ServicePair } from '../../../fixtures/loopback.ts'
import { startStorageElement, type StorageElement } from '../../../fixtures/storage-element.ts'
import { makeStoragePki } from '../../../fixtures/storage-pki.ts'
import { certificate, CLIENT_AUTH, ec, name, servicePair } from '../../identity/certificates.ts'

const NOBODY = '/nonexistent/certificates'

async function serviceAt(
  t: Test,
  element: Pick<StorageElement, 'endpoint'>,
  o: { dir?: string; pins?: string[] } = {},
): Promise<{ service: SrmService; connections: StorageConnections }> {
  const trust = { cas: await readCaFolder(o.dir ?? NOBODY), pins: new Set(o.pins) }
  const connections = new StorageConnections({ trust, credential: caller, connectTimeoutMs: 5_000 })
  t.teardown(() => connections.close())
  return { service: new SrmService(parseEndpoint(element.endpoint), connections), connections }
}

t.test('a connection to httpg begins with one octet in a record of its own, over TLS 1.2', async (t) => {
  const pki = await makeStoragePki(t)
  const element = await startStorageElement(t, pki.issue())
  const { service, connections } = await serviceAt(t, element, { dir: pki.dir })
  t.equal(await service.ping(), 'v2.2')
  t.strictSame(element.firstRecords, ['0 TLSv1.2'])
  t.match(element.clients[0], /CN=caller/, 'and shows who calls')

  element.files.set('/f', { content: Buffer.from('file'), headers: {} })
  const reply = await connections.get(new URL(element.turl('/f')), {}, undefined)
  t.equal(reply.status, 200, 'a transfer begins with its request')
  reply.discard()
})

t.test('a proxy is shown with the certificate of its owner', async (t) => {
  const pki = await makeStoragePki(t)
  const element = await startStorageElement(t, pki.issue())
  const key = ec()
  const owner = certificate({ subject: name(['CN', 'owner']), key })
  const own = ec()
  const now = new Date()
  const proxy = writeProxy({
    issuer: { chain: [owner], key },
    ...{ holder: createPublicKey(own), policy: { language: 'inheritAll' }, now },
    notAfter: new Date(now.getTime() + 3_600_000),
  })
  const credential = {
    certificate: `${proxy}${owner}`,
    key: own.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
  const trust = { cas: await readCaFolder(pki.dir), pins: new Set<string>() }
  const connections = new StorageConnections({ trust, credential })
  t.teardown(() => connections.close())
  t.equal(await new SrmService(parseEndpoint(element.endpoint), connections).ping(), 'v2.2')
  t.match(element.clients[0], /^CN=owner\/CN=\d+ < CN=owner( <|$)/)
})

t.test('a server is trusted by a CA of the folder for its own name, or by a key of a roster', async (t) => {
  const pki = await makeStoragePki(t)
  const good = pki.issue()
  const refused = async (pair: ServicePair, o: { dir?: string; pins?: string[] }, what: string) => {
    const element = await startStorageElement(t, pair)
    const { service } = await serviceAt(t, element, o)
    await t.rejects(service.ping(), { code: 'MDM_PEER' }, what)
    t.strictSame([element.calls, element.firstRecords], [[], []], `${what}: and is sent nothing`)
  }
  const pinned = servicePair()
  const element = await startStorageElement(t, pinned)
  t.equal(
    await (await serviceAt(t, element, { pins: [pinOf(pinned)] })).service.ping(),
    'v2.2',
    'its key is enough',
  )

  await refused(good, {}, 'no folder and no roster')
  await refused(good, { pins: [spkiDigest(ec())] }, 'a roster of others')
  await refused(pki.issue({ host: 'other.example.org' }), { dir: pki.dir }, 'another name')
  await refused(pki.issue({ signer: ec() }), { dir: pki.dir }, 'a CA of the same name')
  await refused(pinned, { dir: pki.dir }, 'its own CA')
  await refused(pki.issue({ use: CLIENT_AUTH }), { dir: pki.dir }, 'the certificate of a user')
  await refused(
    pki.issue({ notAfter: new Date(Date.now() - 60_000) }),
    { dir: pki.dir },
    'one that has ended',
  )
  const old = servicePair({ notAfter: new Date('2026-02-01T00:00:00Z') })
  await refused(old, { pins: [pinOf(old)] }, 'a key of a roster whose certificate has ended')
})

t.test('a revocation list of the folder counts for servers', async (t) => {
  const pki = await makeStoragePki(t)
  const element = await startStorageElement(t, pki.issue({ serial: '4711' }))
  const ping = async () => await (await serviceAt(t, element, { dir: pki.dir })).service.ping()
  await pki.publish({ revoked: ['1234'] })
  t.equal(await ping(), 'v2.2', 'on which it is not')
  await pki.publish({ revoked: ['4711'] })
  await t.rejects(ping(), { code: 'MDM_PEER', message: /revoked/ })
  await pki.publish({ nextUpdate: new Date(Date.now() - 1_000) })
  await t.rejects(ping(), { code: 'MDM_CONFIG' }, 'that has ended')
  await pki.publish({ signer: ec() })
  await t.rejects(ping(), { code: 'MDM_CONFIG' }, 'that the CA did not sign')
  await rm(join(pki.dir, '5a3e11ce.r0'))
  t.equal(await ping(), 'v2.2', 'and where there is none nothing is revoked')
})

t.test('a signing policy of the folder counts for servers', async (t) => {
  const pki = await makeStoragePki(t)
  const element = await startStorageElement(t, pki.issue())
  const ping = async () => await (await serviceAt(t, element, { dir: pki.dir })).service.ping()
  await pki.allow('/CN=*')
  t.equal(await ping(), 'v2.2')
  await pki.allow('/DC=org/*')
  await t.rejects(ping(), { code: 'MDM_PEER', message: /may not give/ }, 'another name')
  await pki.allow(undefined)
  await t.rejects(ping(), { code: 'MDM_CONFIG' }, 'a policy that cannot be read')
})

t.test('a folder of CAs holds what it holds', async (t) => {
  const pki = await makeStoragePki(t)
  await writeFile(join(pki.dir, '00000000.0'), 'no certificate')
  await writeFile(join(pki.dir, '00000001.0'), servicePair().certificate)
  await writeFile(join(pki.dir, '00000002.0'), pki.ca.toString())
  await writeFile(join(pki.dir, 'ca.pem'), pki.ca.toString())
  t.strictSame(
    (await readCaFolder(pki.dir)).certificates,
    [pki.ca.toString()],
    'one CA, under whatever names',
  )
  t.strictSame((await readCaFolder(NOBODY)).certificates, [])
  await t.rejects(readCaFolder(join(pki.dir, 'ca.pem')), { code: 'MDM_CONFIG' })
})

t.test('what is no SRM service is unreachable, and https alone is spoken', async (t) => {
  const server = createServer((socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const { service, connections } = await serviceAt(t, { endpoint: `srm://127.0.0.1:${port}/srm/managerv2` })
  await t.rejects(service.ping(), { code: 'MDM_UNREACHABLE' })
  await t.rejects(connections.get(new URL(`http://127.0.0.1:${port}/`), {}, undefined), { code: 'MDM_PEER' })
})
