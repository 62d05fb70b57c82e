import type { X509Certificate } from 'node:crypto'
import t from 'tap'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { readCertificate } from '@mdm/core/identity/certificate'
import { findEndEntity } from '@mdm/core/identity/chain'
import { NO_LISTS } from '@mdm/core/identity/crl/revocations'
import { parseDn } from '@mdm/core/identity/dn'
import { identify, type Caller } from '@mdm/core/identity/identify'
import { LANGUAGE } from '@mdm/core/identity/proxy/policy'
import {
  holderOf,
  nameBelow,
  PROXY_CERT_INFO,
  proxyCertInfo,
  proxyOf,
  type Holder,
  type ProxyOptions,
} from '../../fixtures/x509/proxies.ts'
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

/** A user of the roster's CA, but for what is told. */
function user(cn: string, o: Partial<CertificateOptions> = {}): Holder {
  const key = o.key ?? ed25519()
  const made = certificate({
    subject: name(...hospital, ['CN', cn]),
    issuer: caName,
    signer: sample.caKey,
    ca: false,
    keyUsage: 0x80,
    eku: [CLIENT_AUTH],
    ...o,
    key,
  })
  return holderOf(made, key)
}

const alice = user('Alice Martin', { key: ec() })
const who = (holder: Holder | readonly X509Certificate[], at = now): Caller =>
  identify('chain' in holder ? holder.chain : holder, roster, at)
const proxyKind = (caller: Caller) => (caller.kind === 'user' ? caller.proxy : caller.kind)

t.test('a proxy is its owner, with the key that was proven and the earliest end', async (t) => {
  const notAfter = new Date('2026-11-24T18:00:00Z')
  const proxy = proxyOf(alice, { notAfter })
  t.strictSame(who(proxy), {
    kind: 'user',
    dn: parseDn('CN=Alice Martin,O=Hospital,C=FR'),
    issuer: ISSUER,
    spki: spkiDigest(proxy.key),
    notAfter,
    fqans: [],
    proxy: 'full',
  })
  const inner = proxyOf(proxy, { notAfter: new Date('2030-01-01T00:00:00Z') })
  t.match(who(inner), { spki: spkiDigest(inner.key), notAfter, proxy: 'full' })
  t.match(who([...inner.chain, sample.ca]), { notAfter }, 'the CA may be sent, too')
  t.strictSame(findEndEntity([...inner.chain, sample.ca]).chain, inner.chain)
})

t.test('the certificate itself is no proxy', async (t) => {
  t.notOk('proxy' in who(alice))
})

t.test('proxies of RSA, P-256 and Ed25519 keys, made by any of them', async (t) => {
  for (const mine of [rsa(2048), ec(), ed25519()])
    for (const key of [rsa(2048), ec(), ed25519()])
      t.match(who(proxyOf(user('Bob', { key: mine }), { key })), { proxy: 'full' })
})

t.test('a limited proxy is known as such, and so is every proxy that it makes', async (t) => {
  const limited = proxyOf(alice, { language: LANGUAGE.limited })
  t.equal(proxyKind(who(limited)), 'limited')
  t.equal(proxyKind(who(proxyOf(limited))), 'limited')
  t.equal(proxyKind(who(proxyOf(proxyOf(alice), { language: LANGUAGE.limited }))), 'limited')
})

t.test('a proxy ends, and begins, on every request; a forged one is never called expired', async (t) => {
  const hour = { notBefore: new Date('2026-11-24T11:00:00Z'), notAfter: now }
  const proxy = proxyOf(alice, hour)
  t.ok(who(proxy), 'valid to the last second')
  t.throws(() => who(proxy, new Date(now.getTime() + 1000)), expired, 'the same chain a second later')
  t.throws(() => who(proxy, new Date('2026-11-24T10:59:59Z')), expired, 'and before its time')
  t.throws(() => who(proxyOf(proxy), new Date(now.getTime() + 1000)), expired, 'the one above it')
  const ended = user('Bob', hour)
  t.throws(() => who(proxyOf(ended), new Date(now.getTime() + 1000)), expired, 'the certificate itself')
  t.throws(() => who(proxyOf(alice, { ...hour, signer: ed25519() }), new Date('2027-01-01')), unknown)
  const rogue = user('Bob', { signer: ec() })
  t.throws(() => who(proxyOf(rogue, hour), new Date('2027-01-01')), unknown, 'of a rogue CA')
})

t.test('a rogue CA with the name of ours makes nobody, with or without our CA beside it', async (t) => {
  const rogueKey = ec()
  const rogueCa = certificate({ subject: caName, key: rogueKey, ca: true, keyUsage: 0x06 })
  const proxy = proxyOf(user('Alice Martin', { signer: rogueKey }))
  t.throws(() => who([...proxy.chain, rogueCa]), unknown)
  t.throws(() => who([...proxy.chain, sample.ca]), unknown)
})

t.test('a certificate that a user or a proxy issues is nobody', async (t) => {
  const key = ed25519()
  const subject = name(...hospital, ['CN', 'Bob'])
  for (const issuer of [alice, proxyOf(alice)]) {
    const { subjectDer } = readCertificate(issuer.certificate.raw)
    const made = certificate({ subject, issuer: subjectDer, key, signer: issuer.key })
    t.throws(() => who([made, ...issuer.chain]), unknown, 'used as a CA')
    t.throws(() => who(proxyOf({ certificate: made, key, chain: [made, ...issuer.chain] })), unknown)
  }
})

t.test('a chain that ends with a proxy, or has its certificates in another order, is nobody', async (t) => {
  const inner = proxyOf(proxyOf(alice))
  const [leaf, middle, eec] = inner.chain as [X509Certificate, X509Certificate, X509Certificate]
  for (const chain of [[leaf], [leaf, middle], [leaf, eec], [leaf, eec, middle], [leaf, sample.ca]])
    t.throws(() => who(chain), unknown)
})

t.test('a chain that was good does not vouch for another one with the same leaf', async (t) => {
  const proxy = proxyOf(alice)
  t.ok(who(proxy))
  const twin = user('Alice Martin')
  t.throws(() => who([proxy.certificate, twin.certificate]), unknown, 'another key of the same name')
  t.throws(() => who([proxy.certificate]), unknown)
  t.ok(who(proxy))
})

t.test('a proxy put under another certificate is nobody', async (t) => {
  const bob = user('Bob')
  t.throws(() => who([proxyOf(alice).certificate, bob.certificate]), unknown)
  const renamed = proxyOf(alice, { issuer: readCertificate(bob.certificate.raw).subjectDer })
  t.throws(() => who([renamed.certificate, bob.certificate]), unknown)
})

t.test('a proxy below a service or a key server is neither of them, nor anybody', async (t) => {
  for (const key of [sample.service, sample.keyServers[0]!.tls]) {
    const own = holderOf(certificate({ subject: name(['CN', 'site demo']), key }), key)
    t.not(who(own).kind, 'user')
    t.throws(() => who(proxyOf(own)), unknown, 'self-signed')
    t.throws(() => who(proxyOf(user('site demo', { key }))), unknown, 'by the CA of the roster')
    const made = who(proxyOf(alice, { key }))
    t.match(made, { kind: 'user', proxy: 'full' }, 'a proxy for the key of a service is a user')
  }
})

const refused: Record<string, ProxyOptions> = {
  'legacy, of the time before RFC 3820': { legacy: true, below: [['CN', 'proxy']] },
  'legacy and limited': { legacy: true, below: [['CN', 'limited proxy']] },
  'signed by somebody else': { signer: ed25519() },
  'signed with SHA-1': { hash: 'sha1' },
  'with a name that is not below its owner': { subject: name(...hospital, ['CN', 'Bob'], ['CN', '1']) },
  'with the very name of its owner': { below: [] },
  'with a name above its owner': { subject: name(...hospital) },
  'with two parts more': {
    below: [
      ['CN', '1'],
      ['CN', '2'],
    ],
  },
  'with two attributes in the last part': {
    below: [
      [
        ['CN', '1'],
        ['CN', '2'],
      ],
    ],
  },
  'with another attribute than CN': { below: [['OU', '1']] },
  'with its issuer in another spelling': {
    issuer: name(...hospital, ['CN', 'Alice Martin', 'printable']),
  },
  'with its owner in another spelling': {
    subject: name(...hospital, ['CN', 'ALICE MARTIN'], ['CN', '1']),
  },
  'that is not critically a proxy': { critical: false },
  'that is independent of its owner': { language: '1.3.6.1.5.5.7.21.2' },
  'with a policy language nobody knows': { language: '1.2.3.4' },
  'with a policy where none may be': { policy: Buffer.from('{}') },
  'limited, with a policy': { language: LANGUAGE.limited, policy: Buffer.from('x') },
  'that names somebody besides': { extensions: [['2.5.29.17', false, der(0x30, der(0x82, 'host'))]] },
  'that names its issuer besides': { extensions: [['2.5.29.18', false, der(0x30, der(0x82, 'host'))]] },
  'that is a CA': { ca: true },
  'that may sign certificates': { keyUsage: 0x84 },
  'that is not for signing': { keyUsage: 0x20 },
  'for servers only': { eku: [SERVER_AUTH] },
  'with a critical extension nobody knows': { extensions: [['1.2.3.4', true, der(0x05)]] },
  'that says twice what it is': { extensions: [[PROXY_CERT_INFO, true, proxyCertInfo()]] },
}

t.test('what is no proxy is refused, as the leaf and in the middle of a chain', async (t) => {
  for (const [what, o] of Object.entries(refused)) {
    const made = proxyOf(alice, o)
    t.throws(() => who(made), unknown, what)
    t.throws(() => who(proxyOf(made)), unknown, `below one ${what}`)
  }
})

t.test('weak keys are refused in any place of the chain', async (t) => {
  for (const key of [rsa(1024), ec('secp256k1'), ec('secp521r1')]) {
    t.throws(() => who(proxyOf(alice, { key })), unknown)
    t.throws(() => who(proxyOf(proxyOf(alice, { key }))), unknown)
    t.throws(() => who(proxyOf(user('Bob', { key }))), unknown)
  }
})

t.test('an owner whose key is not for signing makes no proxy', async (t) => {
  t.throws(() => who(proxyOf(user('Bob', { keyUsage: 0x20 }))), unknown)
  t.throws(() => who(proxyOf(user('Bob', { ca: true }))), unknown)
  t.ok(who(proxyOf(certificateWithoutUsage())), 'an owner without usage extensions does')
})

t.test('extensions that change nothing of it do no harm', async (t) => {
  const proxy = proxyOf(alice, {
    ca: false,
    eku: [CLIENT_AUTH],
    extensions: [['1.3.6.1.4.1.8005.100.100.5', false, der(0x30)]],
  })
  t.equal(proxyKind(who(proxy)), 'full')
  const bare = proxyOf(alice)
  const { subjectDer } = readCertificate(alice.certificate.raw)
  const key = ed25519()
  const made = certificate({
    subject: nameBelow(subjectDer, ['CN', '7', 'printable']),
    issuer: subjectDer,
    key,
    signer: alice.key,
    extensions: [[PROXY_CERT_INFO, true, proxyCertInfo()]],
  })
  t.equal(proxyKind(who([made, ...bare.chain.slice(1)])), 'full', 'without key usage')
})

t.test('the length of the path counts from every proxy of the chain', async (t) => {
  const none = proxyOf(alice, { pathLength: 0 })
  t.ok(who(none))
  t.throws(() => who(proxyOf(none)), unknown)
  const one = proxyOf(alice, { pathLength: 1 })
  t.ok(who(proxyOf(one)))
  t.throws(() => who(proxyOf(proxyOf(one))), unknown)
  t.throws(() => who(proxyOf(proxyOf(one, { pathLength: 5 }))), unknown, 'a proxy cannot lengthen it')
  t.ok(who(proxyOf(proxyOf(proxyOf(alice, { pathLength: 2 }), { pathLength: 1 }), { pathLength: 0 })))
})

t.test('eight proxies are the longest chain', async (t) => {
  let holder = alice
  for (let k = 0; k < 8; k++) holder = proxyOf(holder)
  t.ok(who(holder))
  t.throws(() => who(proxyOf(holder)), unknown)
})

t.test('a proxyCertInfo that is malformed is refused', async (t) => {
  const info = proxyCertInfo()
  const bad: Record<string, Buffer> = {
    'no sequence': der(0x04),
    empty: der(0x30),
    'a negative length': der(0x30, der(0x02, Buffer.from([0xff])), info.subarray(2)),
    'something after the policy': der(0x30, info.subarray(2), der(0x05)),
    'a policy that is no string': der(0x30, der(0x30, info.subarray(4), der(0x05))),
  }
  for (const [what, value] of Object.entries(bad))
    t.throws(
      () => who(proxyOf(alice, { legacy: true, extensions: [[PROXY_CERT_INFO, true, value]] })),
      unknown,
      what,
    )
})

t.test('a proxy of a user whose certificate was revoked is revoked', async (t) => {
  const serial = readCertificate(alice.certificate.raw).serial
  const revocations = {
    ...NO_LISTS,
    requireUnrevoked(_ca: unknown, certificate: { serial: string }) {
      if (certificate.serial === serial) throw Object.assign(new Error(), { code: 'MDM_REVOKED' })
    },
  }
  t.throws(() => identify(proxyOf(proxyOf(alice)).chain, roster, now, revocations), { code: 'MDM_REVOKED' })
  t.ok(identify(proxyOf(user('Bob')).chain, roster, now, revocations))
})

function certificateWithoutUsage(): Holder {
  const key = ed25519()
  const subject = name(...hospital, ['CN', 'Carol'])
  return holderOf(certificate({ subject, issuer: caName, key, signer: sample.caKey }), key)
}
