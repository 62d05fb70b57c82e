import { createPrivateKey, X509Certificate } from 'node:crypto'
import t from 'tap'
import { createCa, issueCertificate } from '@mdm/core/identity/ca'
import { readCertificate } from '@mdm/core/identity/certificate'
import { crlsIn } from '@mdm/core/identity/crl/crl-text'
import { openCrl, readCrl } from '@mdm/core/identity/crl/read-crl'
import { nextCrl, serialOf } from '@mdm/core/identity/crl/write-crl'
import { certificate, ec, ed25519, name } from '../certificates.ts'

const made = await createCa({ dn: 'CN=Lab CA,O=Exämple', days: 30 })
const now = new Date('2026-03-15T12:00:00.700Z')

function caOf(pem: string) {
  const x509 = new X509Certificate(pem)
  return { certificate: x509, identity: readCertificate(x509.raw), nameSpaces: [] }
}
const readBack = (pem: string, by: string) => readCrl(openCrl(crlsIn(Buffer.from(pem))[0]!), caOf(by))

t.test('a list that we write is one that we read, with every serial number a CA may give', async (t) => {
  const leaf = new X509Certificate(
    (await issueCertificate({ ca: made, dn: 'CN=A,O=Exämple', days: 1, usage: 'client' })).certificate,
  )
  const revoke = ['01', '7f', 'ff', '0080', leaf.serialNumber].map(serialOf)
  const { pem, list } = nextCrl({ ca: made, last: undefined, revoke, days: 30, now })
  const read = readBack(pem, made.certificate)
  t.strictSame(read, list)
  t.equal(read.number, 1n)
  t.equal(read.thisUpdate.toISOString(), '2026-03-15T12:00:00.000Z')
  t.equal(read.nextUpdate.toISOString(), '2026-04-14T12:00:00.000Z')
  t.ok(read.revoked.has(readCertificate(leaf.raw).serial))
  t.strictSame([...read.revoked.keys()].slice(0, 4), ['01', '7f', '00ff', '0080'])
})

t.test('the next list goes on from the last: nothing leaves it, and its number is higher', async (t) => {
  let last: Buffer | undefined
  for (let i = 1; i <= 300; i++) {
    const at = new Date(now.getTime() + i * 1_000)
    const { pem, list } = nextCrl({
      ca: made,
      last,
      revoke: [serialOf(i.toString(16))],
      days: 9_000,
      now: at,
    })
    last = Buffer.from(pem)
    if (i === 1 || i === 128 || i === 300) t.equal(list.number, BigInt(i))
  }
  const { list } = nextCrl({ ca: made, last, revoke: ['01'], days: 1, now })
  t.equal(list.revoked.size, 300)
  t.equal(
    list.revoked.get('01')?.toISOString(),
    '2026-03-15T12:00:01.000Z',
    'revoked when it was revoked first',
  )
  t.equal(readBack(last!.toString(), made.certificate).nextUpdate.getUTCFullYear(), 2050)
})

t.test('a CA with an elliptic or an Ed25519 key writes lists, too', async (t) => {
  for (const key of [ec(), ec('secp384r1'), ed25519()]) {
    const cert = certificate({ subject: name(['CN', 'Other CA']), key, ca: true, keyUsage: 0x06 }).toString()
    const ca = { certificate: cert, key: key.export({ type: 'pkcs8', format: 'pem' }) as string }
    const { pem } = nextCrl({ ca, last: undefined, revoke: ['41'], days: 1, now })
    t.ok(readBack(pem, cert).revoked.has('41'))
  }
})

t.test('what is no CA, and a list that is not its own, are refused', async (t) => {
  const write = (ca: { certificate: string; key: string }, last?: Buffer) => () =>
    nextCrl({ ca, last, revoke: [], days: 1, now })
  const other = await createCa({ dn: 'CN=Lab CA,O=Exämple', days: 30 })
  const user = await issueCertificate({ ca: made, dn: 'CN=A,O=Exämple', days: 1, usage: 'client' })
  const config = { code: 'MDM_CONFIG' }
  t.throws(write({ certificate: made.certificate, key: other.key }), config)
  t.throws(write({ certificate: made.certificate, key: 'no key' }), config)
  t.throws(write(user), config)
  const foreign = Buffer.from(nextCrl({ ca: other, last: undefined, revoke: [], days: 1, now }).pem)
  t.throws(write(made, foreign), config)
  t.throws(write(made, Buffer.from('damaged')), config)
  t.throws(write(made, Buffer.alloc(0)), config, 'an emptied list must not begin anew')
  t.ok(createPrivateKey(made.key))
})

t.test('serial numbers are taken as people and programs write them', async (t) => {
  t.equal(serialOf('4F:6b'), '4f6b')
  t.equal(serialOf('004F6B'), '4f6b')
  t.equal(serialOf('F'), '0f')
  t.equal(serialOf('ff00'), '00ff00')
  t.equal(serialOf('00'), '00')
  for (const bad of ['', 'xyz', '0x41', '-1', 'a'.repeat(41)])
    t.throws(() => serialOf(bad), { code: 'MDM_USAGE' }, bad)
})
