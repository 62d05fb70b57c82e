import { createPrivateKey, X509Certificate } from 'node:crypto'
import t from 'tap'
import { createCa, createServiceCertificate, issueCertificate } from '@mdm/core/identity/ca'
import { readCertificate } from '@mdm/core/identity/certificate'
import { parseDn } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import { spkiOf } from '@mdm/core/crypto/spki'
import { sampleSite, trusted } from './roster-samples.ts'

const CA_NAME = 'CN=Hôpital CA,O=Hôpital,C=FR'
const ca = await createCa({ dn: CA_NAME, days: 30 })
const caCertificate = new X509Certificate(ca.certificate)

t.test('a user certificate of our CA signs in', async (t) => {
  const dn = '/C=FR/O=Hôpital/CN=Zoé Martin/Email=zoe@example.org'
  const issued = await issueCertificate({ ca, dn, days: 3000, usage: 'client' })
  const sample = sampleSite()
  const userCas = [
    { certificate: caCertificate.raw.toString('base64'), nameSpaces: [parseDn('O=Hôpital,C=FR')] },
  ]
  const roster = await trusted({ ...sample.body, userCas }, sample.signer)
  const leaf = new X509Certificate(issued.certificate)
  t.ok(leaf.checkPrivateKey(createPrivateKey(issued.key)))
  t.match(identify([leaf], roster, new Date()), { kind: 'user', dn: parseDn(dn), issuer: parseDn(CA_NAME) })
  t.match(leaf.subject, /CN=Zoé Martin/, 'the case as typed is in the certificate')
  t.ok(leaf.validToDate <= caCertificate.validToDate, 'it does not outlive its CA')
})

t.test('the CA is one, and signs nothing below another CA', async (t) => {
  const read = readCertificate(caCertificate.raw)
  t.ok(read.isCa)
  t.ok(read.keyUsage?.keyCertSign)
  t.equal(read.dn, read.issuer)
  t.ok(caCertificate.verify(caCertificate.publicKey))
})

t.test('a service certificate names its hosts and is its own issuer', async (t) => {
  const hosts = ['localhost', '127.0.0.1', '::1']
  const made = await createServiceCertificate({ commonName: 'site demo, örtlich', hosts, days: 10 })
  const x509 = new X509Certificate(made.certificate)
  t.ok(x509.verify(x509.publicKey))
  t.equal(x509.checkHost('localhost'), 'localhost')
  t.equal(x509.checkIP('127.0.0.1'), '127.0.0.1')
  t.equal(x509.checkIP('::1'), '::1')
  t.equal(x509.checkHost('example.org'), undefined)
  t.equal(readCertificate(x509.raw).dn, parseDn('CN=site demo\\, örtlich'))
  const sample = sampleSite()
  const roster = await trusted(
    { ...sample.body, services: [{ spki: spkiOf(x509.publicKey) }] },
    sample.signer,
  )
  t.equal(identify([x509], roster, new Date()).kind, 'service')
  t.notSame(x509.serialNumber, caCertificate.serialNumber)
})

t.test('names that nobody could be granted, odd lifetimes and foreign CAs are refused', async (t) => {
  for (const dn of ['CN=a\u202eb', 'CN=a+OU=b', '', 'C=F\u00e9'])
    await t.rejects(createCa({ dn, days: 1 }), { code: 'MDM_USAGE' }, dn)
  for (const days of [0, 1.5, 7301])
    await t.rejects(createCa({ dn: 'CN=x', days }), { code: 'MDM_USAGE' }, String(days))
  const foreign = { certificate: ca.certificate, key: 'no key' }
  await t.rejects(issueCertificate({ ca: foreign, dn: 'CN=x', days: 1, usage: 'client' }), {
    code: 'MDM_CONFIG',
  })
})
