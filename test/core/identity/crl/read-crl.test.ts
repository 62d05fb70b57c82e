import { randomBytes } from 'node:crypto'
import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import { readCertificate } from '@mdm/core/identity/certificate'
import { crlPem, crlsIn } from '@mdm/core/identity/crl/crl-text'
import { derChildren, readDer } from '@mdm/core/identity/der'
import { MAX_CRL, openCrl, readCrl } from '@mdm/core/identity/crl/read-crl'
import { certificate, der, ec, ed25519, name, rsa, signed } from '../certificates.ts'
import { caName, sampleSite, trusted } from '../roster-samples.ts'
import { crl, type CrlOptions, type Extension } from './crls.ts'

const sample = sampleSite()
const [ca] = (await trusted(sample.body, sample.signer)).userCas
const signer = sample.caKey
const read = (o: Partial<CrlOptions> = {}, by = ca!) => readCrl(openCrl(crl({ signer, ...o })), by)
const refused = { code: 'MDM_CRL' }
const value = der(0x05)

t.test('a list is read: whose it is, from when to when, its number, and what is on it', async (t) => {
  const list = read({ revoked: ['41', '00ff', '4102030405'], number: 7 })
  t.equal(list.issuer, ca!.identity.dn)
  t.equal(list.thisUpdate.toISOString(), '2026-03-01T00:00:00.000Z')
  t.equal(list.nextUpdate.toISOString(), '2026-04-01T00:00:00.000Z')
  t.equal(list.number, 7n)
  t.strictSame([...list.revoked.keys()], ['41', '00ff', '4102030405'])
  t.equal(list.revoked.get('41')?.toISOString(), '2026-02-01T00:00:00.000Z')
  const empty = read({ revoked: null, nextUpdate: new Date('2051-01-01T00:00:00Z') })
  t.equal(empty.revoked.size, 0)
  t.equal(empty.nextUpdate.getUTCFullYear(), 2051)
  t.equal(read({ version: undefined, revoked: ['41'] }).revoked.size, 1, 'version 1')
})

t.test('a serial number on a list is written as that of the certificate', async (t) => {
  for (const serial of ['41', '00ff', '00', '7f'.repeat(20)]) {
    const leaf = certificate({ subject: name(['CN', 'x']), key: ed25519(), serial })
    t.ok(read({ revoked: [serial] }).revoked.has(readCertificate(leaf.raw).serial), serial)
  }
})

t.test('a list that the CA did not sign, or with a weak algorithm, is refused', async (t) => {
  t.throws(() => read({ signer: ec() }), refused, 'another key of the same name')
  t.throws(() => read({ signer: ed25519() }), refused, 'a key of another kind')
  t.throws(() => read({ issuer: name(['CN', 'Other CA']) }), refused, 'another name')
  t.throws(() => read({ hash: 'sha1' }), refused, 'SHA-1')
  for (const key of [rsa(2048), ed25519()]) {
    const other = certificate({ subject: caName, key, ca: true, keyUsage: 0x06 })
    const by = { ...ca!, certificate: other, identity: readCertificate(other.raw) }
    t.ok(read({ signer: key }, by), key.asymmetricKeyType ?? '')
  }
  const rsaKey = rsa(2048)
  const other = certificate({ subject: caName, key: rsaKey, ca: true })
  const by = { ...ca!, certificate: other, identity: readCertificate(other.raw) }
  for (const hash of ['sha1', 'md5'])
    t.throws(() => read({ signer: rsaKey, hash }, by), refused, `RSA with ${hash}`)
})

t.test('a CA whose certificate does not let it sign lists signs none', async (t) => {
  const of = (keyUsage?: number) => {
    const made = certificate({
      subject: caName,
      key: signer,
      ca: true,
      ...(keyUsage === undefined ? {} : { keyUsage }),
    })
    return { ...ca!, certificate: made, identity: readCertificate(made.raw) }
  }
  t.throws(() => read({}, of(0x04)), refused, 'certificates only')
  t.ok(read({}, of(0x06)))
  t.ok(read({}, of()), 'not limited')
})

t.test('a list that is not the whole list is refused', async (t) => {
  const bad: Record<string, Partial<CrlOptions>> = {
    'a delta': { extensions: [['2.5.29.27', true, der(0x02, Buffer.from([1]))]] },
    'an indirect or partitioned one': { extensions: [['2.5.29.28', true, der(0x30)]] },
    'an unknown critical extension': { extensions: [['1.2.3.4', true, value]] },
    'an extension twice': {
      extensions: [
        ['1.2.3.4', false, value],
        ['1.2.3.4', false, value],
      ],
    },
    'an entry of another issuer': { revoked: ['41'], entryExtensions: [['2.5.29.29', true, der(0x30)]] },
    'no end': { nextUpdate: null },
    'extensions in version 1': { version: undefined, number: 1 },
    'version 3': { version: 2 },
  }
  for (const [what, o] of Object.entries(bad)) t.throws(() => read(o), refused, what)
  const fine: Extension[] = [
    ['2.5.29.46', false, der(0x30)],
    ['1.2.3.4', false, value],
  ]
  t.ok(
    read({
      extensions: fine,
      revoked: ['41'],
      entryExtensions: [['2.5.29.21', false, der(0x0a, Buffer.from([6]))]],
    }),
  )
})

t.test('a list of more than 256 certificates is read, one of more than 8 MiB is not', async (t) => {
  const serials = Array.from({ length: 1_500 }, (_, i) => `40${i.toString(16).padStart(30, '0')}`)
  t.equal(read({ revoked: serials }).revoked.size, 1_500)
  t.throws(() => openCrl(Buffer.alloc(MAX_CRL + 1, 0x30)), refused)
})

t.test('2,000 altered lists: each is refused with our code, none is accepted', async (t) => {
  const good = crl({
    signer,
    revoked: ['41', '4203', '00ff'],
    number: 9,
    entryExtensions: [['2.5.29.21', false, der(0x0a, Buffer.from([1]))]],
  })
  const seen = new Map<string, number>()
  for (let i = 0; i < 2_000; i++) {
    const bytes = Buffer.from(good)
    const at = randomBytes(4).readUInt32BE() % bytes.length
    const how = i % 5
    let made = bytes
    if (how < 3) bytes[at] = bytes[at]! ^ (1 << (i % 8))
    else if (how === 3) made = bytes.subarray(0, at)
    else made = Buffer.concat([bytes.subarray(0, at), randomBytes(1 + (i % 9)), bytes.subarray(at)])
    try {
      readCrl(openCrl(made), ca!)
      t.fail(`accepted: ${made.toString('hex')}`)
    } catch (error) {
      if (!(error instanceof MdmError) || error.code !== 'MDM_CRL')
        t.fail(`threw ${String(error)}: ${made.toString('hex')}`)
      seen.set((error as Error).message, (seen.get((error as Error).message) ?? 0) + 1)
    }
  }
  t.ok((seen.get('the revocation list is not signed by its CA') ?? 0) > 100, 'many were well formed')
  t.ok((seen.get('the revocation list is malformed') ?? 0) > 100, 'many were not')
})

t.test('what a CA signed that is no list is refused with our code, whatever it is', async (t) => {
  // Altered and signed again, so that the readers behind the signature are met, too.
  const tbs = derChildren(readDer(crl({ signer, revoked: ['41', '42'], number: 9 })))[0]!.raw
  let readable = 0
  let behind = 0
  for (let i = 0; i < 2_000; i++) {
    const bytes = Buffer.from(tbs)
    const at = i % bytes.length
    bytes[at] = bytes[at]! ^ (1 << ((i / bytes.length) & 7))
    try {
      readCrl(openCrl(signed(bytes, signer)), ca!)
      readable++
    } catch (error) {
      if (!(error instanceof MdmError) || error.code !== 'MDM_CRL') t.fail(`threw ${String(error)}`)
      if (/delta|does not say when/.test((error as Error).message)) behind++
    }
  }
  t.ok(readable > 50, `${readable} still say something, such as another date`)
  t.ok(readable < 1_500)
  t.ok(behind > 0, 'the reader behind the signature was met')
})

t.test('files: DER, PEM with words around it, several in one, none', async (t) => {
  const one = crl({ signer })
  const two = crl({ signer, revoked: ['41'] })
  t.strictSame(crlsIn(one), [one])
  t.strictSame(crlsIn(Buffer.from(crlPem(one))), [one])
  const text = `0 words\n${crlPem(one)}more\n${crlPem(two).replaceAll('\n', '\r\n')}`
  t.strictSame(crlsIn(Buffer.from(text)), [one, two])
  t.strictSame(crlsIn(Buffer.from(sample.ca.toString())), [])
  t.strictSame(crlsIn(Buffer.alloc(0)), [])
  for (const bad of [
    crlPem(one).slice(0, -30),
    crlPem(one).replace('M', '*'),
    '-----BEGIN X509 CRL----------END X509 CRL-----',
  ])
    t.throws(() => crlsIn(Buffer.from(bad)), refused)
})
