import { request } from 'node:https'
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { signStatement, verifyChain } from '@mdm/core/acl/statement'
import { createCa, createServiceCertificate, issueCertificate } from '@mdm/core/identity/ca'
import { newGuid, newKid } from '@mdm/core/names'
import { auditOf, makeGrid, makeVolume, peerOf, put, startServer, type Volume } from './grid.ts'

const grid = await makeGrid(t.testdir())
const clock: { now?: Date } = {}
const server = await startServer(t, grid, 0, clock)
const volume = await makeVolume(grid)
await put(peerOf(t, grid, grid.service), volume)

type Pem = { certificate: string; key: string }

function ask(as: Pem | null, method: string, path: string, body?: unknown) {
  const { hostname, port } = new URL(server.url)
  const credential = as === null ? {} : { cert: as.certificate, key: as.key }
  const headers = body === undefined ? {} : { 'content-type': 'application/json' }
  return new Promise<{ status: number | undefined; headers: object; body: string }>((resolve, reject) => {
    const sent = request(
      { hostname, port, path, method, headers, agent: false, rejectUnauthorized: false, ...credential },
      (reply) => {
        let text = ''
        reply.on('data', (chunk) => (text += String(chunk)))
        reply.on('end', () => {
          const { date, 'mdm-request-id': id, ...others } = reply.headers
          resolve({
            status: reply.statusCode,
            headers: { ...others, date: date?.length, id: id?.length },
            body: text,
          })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** Every endpoint that names a volume, as somebody without rights would ask. */
async function everyEndpoint(as: Pem | null, of: Volume, signedBy = grid.users.stranger!) {
  const { guid, kid, manifest, founding } = of
  const chain = await verifyChain([founding], {
    roster: grid.roster,
    site: grid.site,
    scope: guid,
    object: 'key',
  })
  const change = { op: 'revoke', from: { kind: 'service', site: grid.site } } as const
  const statement = await signStatement({ chain, change, credential: signedBy, now: new Date() })
  const share = of.shares[0]!.toString('base64')
  return [
    await ask(as, 'GET', `/v1/shares/${guid}`),
    await ask(as, 'GET', `/v1/shares/${guid}?kid=${kid}`),
    await ask(as, 'DELETE', `/v1/shares/${guid}/${kid}`),
    await ask(as, 'PUT', `/v1/shares/${guid}/${kid}/1`, { share, manifest, founding }),
    await ask(as, 'GET', `/v1/statements/demo/${guid}/key`),
    await ask(as, 'GET', `/v1/statements/demo/${guid}/file`),
    await ask(as, 'GET', `/v1/statements/nowhere/${guid}/key`),
    await ask(as, 'POST', '/v1/statements', { statement }),
  ]
}

t.test(
  'a stranger gets the same answer for a real and an invented GUID on every endpoint, to the byte',
  async (t) => {
    const invented = await makeVolume(grid)
    const stranger = grid.users.stranger!
    const [real, made] = [await everyEndpoint(stranger, volume), await everyEndpoint(stranger, invented)]
    t.match(real[0], { status: 404, body: /MDM_NOT_FOUND/ })
    for (const answer of [...real, ...made]) t.strictSame(answer, real[0])
  },
)

t.test('a server that no roster names gets one answer everywhere', async (t) => {
  const other = await createServiceCertificate({ commonName: 'unknown', hosts: ['127.0.0.1'], days: 1 })
  const answers = [
    ...(await everyEndpoint(other, volume)),
    ...(await everyEndpoint(other, await makeVolume(grid))),
  ]
  t.match(answers[0], { status: 401, body: /MDM_UNAUTHENTICATED/ })
  for (const answer of answers) t.strictSame(answer, answers[0])
})

t.test(
  'without a certificate, or with one of another CA under the same names, every path is one 401',
  async (t) => {
    const { dn } = grid.users.physician!.identity
    const ca = await createCa({ dn: 'CN=User CA,O=MDM demo', days: 2 })
    const double = await issueCertificate({ ca, dn: 'CN=physician,O=MDM demo', days: 1, usage: 'client' })
    t.equal(
      new X509Certificate(double.certificate).subject.toLowerCase().includes('cn=physician'),
      dn.includes('physician'),
    )
    const answers = []
    for (const as of [null, double]) {
      answers.push(
        ...(await everyEndpoint(as, volume)),
        await ask(as, 'GET', '/health'),
        await ask(as, 'GET', '/v1/whoami'),
        await ask(as, 'GET', '/nothing'),
      )
    }
    t.match(answers[0], { status: 401 })
    for (const answer of answers) t.strictSame(answer, answers[0])
  },
)

t.test('a certificate that ends is refused, and the answer says why', async (t) => {
  const physician = grid.users.physician!
  t.equal((await ask(physician, 'GET', `/v1/shares/${volume.guid}`)).status, 200)
  clock.now = new Date(physician.identity.notAfter.getTime() + 1000)
  t.match(await ask(physician, 'GET', `/v1/shares/${volume.guid}`), {
    status: 401,
    body: /MDM_CREDENTIAL_EXPIRED/,
  })
  delete clock.now
})

t.test('who is known may see health and himself', async (t) => {
  t.match(await ask(grid.users.stranger!, 'GET', '/health'), {
    status: 200,
    body: '{"status":"ready","reasons":[]}',
  })
  const whoami = JSON.parse((await ask(grid.users.stranger!, 'GET', '/v1/whoami')).body) as object
  t.match(whoami, { kind: 'user', dn: grid.users.stranger!.identity.dn, sites: ['demo'] })
})

t.test('a wrong GUID or kid is a bad request, whoever asks', async (t) => {
  t.match(await ask(grid.users.stranger!, 'GET', '/v1/shares/not-a-guid'), {
    status: 400,
    body: /MDM_BAD_REQUEST/,
  })
  t.match(await ask(grid.users.stranger!, 'DELETE', `/v1/shares/${newGuid()}/${newKid().slice(1)}`), {
    status: 400,
  })
})

t.test('no share and no name of another stands in what strangers got or the log holds', async (t) => {
  t.notMatch(JSON.stringify(auditOf(grid)), volume.shares[0]!.toString('base64'))
})
