import type { KeyObject, X509Certificate } from 'node:crypto'
import t from 'tap'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { parseDn } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import {
  certificate,
  CLIENT_AUTH,
  der,
  ec,
  ed25519,
  name,
  rsa,
  SERVER_AUTH,
  type CertificateOptions,
  type Part,
} from './certificates.ts'
import { caName, ISSUER, sampleSite, trusted } from './roster-samples.ts'

const now = new Date('2026-11-24T12:00:00Z')
const sample = sampleSite()
const roster = await trusted(sample.body, sample.signer)
const unknown = { code: 'MDM_UNAUTHENTICATED' }
const expired = { code: 'MDM_CREDENTIAL_EXPIRED' }

const hospital: Part[] = [
  ['C', 'FR'],
  ['O', 'Hospital'],
]
const aliceName = name(...hospital, ['CN', 'Alice Martin'])
const aliceKey = ed25519()

/** Alice's certificate by the CA of the roster, but for what is told. */
function alice(o: Partial<CertificateOptions> = {}): X509Certificate {
  return certificate({
    subject: aliceName,
    issuer: caName,
    key: aliceKey,
    signer: sample.caKey,
    ca: false,
    keyUsage: 0x80,
    eku: [CLIENT_AUTH],
    ...o,
  })
}

t.test('a user is known by name, CA and key', async (t) => {
  const caller = identify([alice()], roster, now)
  t.strictSame(caller, {
    kind: 'user',
    dn: parseDn('CN=Alice Martin,O=Hospital,C=FR'),
    issuer: ISSUER,
    spki: spkiDigest(aliceKey),
    notAfter: new Date('2036-01-01T00:00:00Z'),
    fqans: [],
  })
})

t.test('every accepted kind of key is a user', async (t) => {
  const keys: Record<string, KeyObject> = {
    'P-256': ec(),
    'P-384': ec('secp384r1'),
    'RSA 2048': rsa(2048),
    Ed25519: ed25519(),
  }
  for (const [what, key] of Object.entries(keys))
    t.equal(identify([alice({ key })], roster, now).spki, spkiDigest(key), what)
})

t.test('a certificate without usage extensions is a user, too', async (t) => {
  const plain = certificate({ subject: aliceName, issuer: caName, key: aliceKey, signer: sample.caKey })
  t.equal(identify([plain], roster, now).kind, 'user')
})

t.test('without a certificate there is no caller', async (t) => {
  t.throws(() => identify([], roster, now), unknown)
})

t.test('the same name from another CA is nobody, also when that CA bears the name of ours', async (t) => {
  t.throws(() => identify([alice({ issuer: name(['CN', 'Other CA']), signer: ec() })], roster, now), unknown)
  t.throws(() => identify([alice({ signer: ec() })], roster, now), unknown)
  const selfSigned = certificate({ subject: aliceName, key: aliceKey })
  t.throws(() => identify([selfSigned], roster, now), unknown)
})

t.test('what a peer sends beside its certificate proves nothing', async (t) => {
  const rogueKey = ec()
  const rogueCa = certificate({ subject: caName, key: rogueKey, ca: true })
  t.throws(() => identify([alice({ signer: rogueKey }), rogueCa, sample.ca], roster, now), unknown)
})

t.test('a certificate of a CA, the CA itself, and a certificate by a user are no users', async (t) => {
  t.throws(() => identify([alice({ ca: true })], roster, now), unknown, 'CA:TRUE')
  t.throws(() => identify([alice({ keyUsage: 0x84 })], roster, now), unknown, 'may sign certificates')
  t.throws(() => identify([sample.ca], roster, now), unknown, 'the CA')
  const byAlice = alice({
    subject: name(...hospital, ['CN', 'Bob']),
    issuer: aliceName,
    key: ed25519(),
    signer: aliceKey,
  })
  t.throws(() => identify([byAlice, alice()], roster, now), unknown, 'signed by a user')
})

t.test('a certificate for servers only, or not for signing in, is no user', async (t) => {
  t.throws(() => identify([alice({ eku: [SERVER_AUTH] })], roster, now), unknown, 'another extended use')
  t.throws(() => identify([alice({ keyUsage: 0x20 })], roster, now), unknown, 'key encipherment only')
  t.ok(identify([alice({ eku: [SERVER_AUTH, CLIENT_AUTH] })], roster, now))
})

t.test('weak signatures and keys are refused', async (t) => {
  t.throws(() => identify([alice({ hash: 'sha1' })], roster, now), unknown, 'SHA-1')
  for (const [what, key] of Object.entries({
    'RSA 1024': rsa(1024),
    secp256k1: ec('secp256k1'),
    'P-521': ec('secp521r1'),
  }))
    t.throws(() => identify([alice({ key })], roster, now), unknown, what)
})

t.test('an RSA CA signs with SHA-256, never with SHA-1 or MD5', async (t) => {
  const caKey = rsa(2048)
  const ca = certificate({ subject: caName, key: caKey, ca: true })
  const body = {
    ...sample.body,
    userCas: [{ ...sample.body.userCas[0]!, certificate: ca.raw.toString('base64') }],
  }
  const rsaRoster = await trusted(body, sample.signer)
  t.ok(identify([alice({ signer: caKey })], rsaRoster, now))
  for (const hash of ['sha1', 'md5'] as const)
    t.throws(() => identify([alice({ signer: caKey, hash })], rsaRoster, now), unknown, hash)
})

t.test(
  'expired and not yet valid are told from unknown, and only to those the CA really signed',
  async (t) => {
    const past = { notAfter: new Date('2026-11-24T11:59:59Z') }
    const future = { notBefore: new Date('2026-11-24T12:00:01Z') }
    t.throws(() => identify([alice(past)], roster, now), expired)
    t.throws(() => identify([alice(future)], roster, now), expired)
    t.throws(() => identify([alice({ ...past, signer: ec() })], roster, now), unknown)
    t.ok(identify([alice({ notAfter: now })], roster, now), 'valid to the last second')
  },
)

t.test('a certificate ends with its CA', async (t) => {
  t.throws(
    () =>
      identify(
        [alice({ notAfter: new Date('2050-01-01T00:00:00Z') })],
        roster,
        new Date('2040-01-01T00:00:00Z'),
      ),
    expired,
  )
})

t.test('a CA gives names below its name spaces only', async (t) => {
  const named =
    (...parts: (Part | Part[])[]) =>
    () =>
      identify([alice({ subject: name(...parts) })], roster, now)
  t.throws(named(['C', 'FR'], ['O', 'Other'], ['CN', 'Alice Martin']), unknown)
  t.throws(named(['C', 'FR'], ['CN', 'Alice Martin,O=Hospital']), unknown)
  t.throws(named(['C', 'FR'], ['CN', 'Alice/O=Hospital']), unknown)
  t.throws(named(['DC', 'org'], ['C', 'FR'], ['O', 'Hospital'], ['CN', 'Alice']), unknown)
  t.throws(named(...hospital), unknown, 'the name space itself')
  t.ok(named(['C', 'fr', 'printable'], ['O', 'HOSPITAL', 'bmp'], ['OU', 'x'], ['CN', 'Alice'])())
})

t.test('a critical extension nobody here understands refuses the certificate', async (t) => {
  const extension = (critical: boolean) => alice({ extensions: [['1.2.3.4', critical, der(0x05)]] })
  t.throws(() => identify([extension(true)], roster, now), unknown)
  t.ok(identify([extension(false)], roster, now))
})

t.test('a renewed CA of the same name is the same issuer', async (t) => {
  const renewedKey = ec()
  const renewed = certificate({ subject: caName, key: renewedKey, ca: true })
  const [held] = sample.body.userCas
  const userCas = [held!, { ...held!, certificate: renewed.raw.toString('base64') }]
  const both = await trusted({ ...sample.body, userCas }, sample.signer)
  const [old, young] = [alice(), alice({ signer: renewedKey })].map((c) => identify([c], both, now))
  t.strictSame(old, young)
  const ended = certificate({
    subject: caName,
    key: ec(),
    ca: true,
    notAfter: new Date('2026-02-01T00:00:00Z'),
  })
  const first = { ...held!, certificate: ended.raw.toString('base64') }
  t.ok(identify([alice()], await trusted({ ...sample.body, userCas: [first, held!] }, sample.signer), now))
})

t.test('a service is known by its key alone, while its certificate is valid', async (t) => {
  const subject = name(['CN', 'site demo'])
  const service = (o: Partial<CertificateOptions> = {}) => [
    certificate({ subject, key: sample.service, ...o }),
  ]
  const caller = identify(service(), roster, now)
  t.match(caller, { kind: 'service', site: 'demo', spki: spkiDigest(sample.service) })
  t.throws(() => identify(service({ notAfter: new Date('2026-03-01T00:00:00Z') }), roster, now), expired)
  t.throws(() => identify(service({ notBefore: new Date('2027-03-01T00:00:00Z') }), roster, now), expired)
  t.throws(
    () => identify([certificate({ subject, key: ed25519() })], roster, now),
    unknown,
    'its name with another key',
  )
})

t.test('a user with the name of a service is a user', async (t) => {
  t.equal(identify([alice({ subject: name(...hospital, ['CN', 'site demo']) })], roster, now).kind, 'user')
})
