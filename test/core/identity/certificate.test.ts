import { createPublicKey, X509Certificate } from 'node:crypto'
import t from 'tap'
import { readCertificate } from '@mdm/core/identity/certificate'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { certificate, CLIENT_AUTH, der, ec, ed25519, name, oid, SERVER_AUTH } from './certificates.ts'

const key = ed25519()
const subject = name(['C', 'FR', 'printable'], ['O', 'Hospital'], ['CN', 'Alice Martin'])

t.test('a certificate is read as OpenSSL reads it', async (t) => {
  const issuer = name(['O', 'Hospital'], ['CN', 'CA'])
  const x509 = certificate({
    subject,
    issuer,
    key,
    signer: ec(),
    ca: false,
    keyUsage: 0x80,
    eku: [CLIENT_AUTH, SERVER_AUTH],
  })
  const read = readCertificate(x509.raw)
  t.equal(read.dn, 'CN=alice martin,O=hospital,C=fr')
  t.equal(read.issuer, 'CN=ca,O=hospital')
  t.equal(read.spki, spkiDigest(x509.publicKey))
  t.equal(read.spkiDer, spkiOf(x509.publicKey))
  t.equal(read.notBefore.getTime(), x509.validFromDate.getTime())
  t.equal(read.notAfter.getTime(), x509.validToDate.getTime())
  t.equal(read.serial.toUpperCase(), x509.serialNumber)
  t.equal(read.isCa, x509.ca)
  t.strictSame(read.extendedKeyUsage, x509.keyUsage)
  t.strictSame(read.keyUsage, { digitalSignature: true, keyCertSign: false, cRLSign: false })
  t.equal(read.signatureAlgorithm, '1.2.840.10045.4.3.2')
})

t.test('a certificate without extensions limits nothing and is no CA', async (t) => {
  const read = readCertificate(certificate({ subject, key }).raw)
  t.equal(read.isCa, false)
  t.equal(read.keyUsage, undefined)
  t.strictSame(read.extendedKeyUsage, [])
})

t.test('years after 2050 are read', async (t) => {
  const notAfter = new Date('2051-02-03T04:05:06Z')
  t.equal(readCertificate(certificate({ subject, key, notAfter }).raw).notAfter.getTime(), notAfter.getTime())
})

t.test('the same extension twice is refused', async (t) => {
  const twice = () =>
    certificate({
      subject,
      key,
      ca: false,
      extensions: [['2.5.29.19', true, der(0x30, der(0x01, Buffer.from([0xff])))]],
    })
  t.throws(() => readCertificate(twice().raw), { code: 'MDM_UNAUTHENTICATED' })
})

t.test('two different algorithms in one certificate are refused', async (t) => {
  const raw = Buffer.from(certificate({ subject, key }).raw)
  const signed = der(0x30, oid('1.3.101.112'))
  const last = raw.lastIndexOf(signed)
  raw[last + signed.length - 1] = 0x71
  t.throws(() => readCertificate(raw), { code: 'MDM_UNAUTHENTICATED' })
})

t.test(
  'no changed byte of a certificate is read but as a refusal or as a signature that fails',
  async (t) => {
    const ca = ec()
    const raw = certificate({
      subject,
      key,
      signer: ca,
      issuer: name(['CN', 'CA']),
      ca: false,
      eku: [CLIENT_AUTH],
    }).raw
    const issuer = createPublicKey(ca)
    t.ok(new X509Certificate(raw).verify(issuer), 'unchanged it verifies')
    let refused = 0
    for (let at = 0; at < raw.length; at++) {
      const bytes = Buffer.from(raw)
      bytes[at]! ^= 0x01
      try {
        readCertificate(bytes)
        if (new X509Certificate(bytes).verify(issuer)) t.fail(`byte ${at}`)
      } catch (error) {
        const { code } = error as { code: string }
        if (code === 'MDM_UNAUTHENTICATED') refused++
        else t.match(code, /^ERR_(OSSL|CRYPTO)/, `byte ${at}: only OpenSSL may fail in its own way`)
      }
    }
    t.ok(refused > 20, `${refused} of ${raw.length} changes are no certificate any more`)
  },
)

t.test('cut short, empty, nested and overlong input is refused', async (t) => {
  const { raw } = certificate({ subject, key })
  for (const bytes of [
    Buffer.alloc(0),
    raw.subarray(0, -1),
    Buffer.concat([raw, raw]),
    Buffer.alloc(70_000, 0x30),
  ])
    t.throws(() => readCertificate(bytes), { code: 'MDM_UNAUTHENTICATED' })
})
