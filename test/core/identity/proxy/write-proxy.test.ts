import { spawnSync } from 'node:child_process'
import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readCertificate } from '@mdm/core/identity/certificate'
import { writeProxy, type ProxyPolicy } from '@mdm/core/identity/proxy/write-proxy'
import { newGuid } from '@mdm/core/names'
import { lacksOpenssl } from '../../../fixtures/openssl.ts'
import { certificate, CLIENT_AUTH, ec, ed25519, name, rsa } from '../certificates.ts'

const now = new Date()
const inHours = (hours: number) => new Date(now.getTime() + hours * 3_600_000)
const caKey = ec()
const caName = name(['C', 'FR', 'printable'], ['O', 'Hôpital'], ['CN', 'CA'])
const ca = certificate({ subject: caName, key: caKey, ca: true, keyUsage: 0x06 })
const subject = name(['C', 'FR', 'printable'], ['O', 'Hôpital'], ['CN', 'Alice Martin', 'bmp'])
const owner = (key: KeyObject, notAfter = inHours(9_000)) =>
  certificate({
    ...{ subject, issuer: caName, key, signer: caKey, ca: false },
    ...{ eku: [CLIENT_AUTH], keyUsage: 0x80, notAfter },
  })
const limits = { guids: [newGuid(), newGuid()], operations: ['read-file' as const] }
const POLICIES: readonly ProxyPolicy[] = [
  { language: 'inheritAll' },
  { language: 'limited' },
  { language: 'mdmLimits', limits },
]

/** What OpenSSL says of a chain, leaf first, to be trusted by the CA. */
function verified(t: Test, chain: readonly X509Certificate[]): string {
  const dir = t.testdir()
  const file = (pem: string, as: string) => (writeFileSync(join(dir, as), pem), join(dir, as))
  const [leaf, ...others] = chain.map((one) => one.toString())
  const files = ['-CAfile', file(ca.toString(), 'ca'), '-untrusted', file(others.join(''), 'untrusted')]
  const args = ['verify', '-allow_proxy_certs', ...files, file(leaf!, 'leaf')]
  const { stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  return `${stdout}${stderr}`
}

t.test('OpenSSL accepts our proxies, whatever key signs and whatever key holds', async (t) => {
  if (lacksOpenssl(t)) return
  const keys = [rsa(2048), ec(), ec('secp384r1'), ed25519()]
  for (const key of keys)
    for (const [i, policy] of POLICIES.entries()) {
      const chain = [owner(key)]
      const holder = createPublicKey(keys[i]!)
      const proxy = writeProxy({ issuer: { chain, key }, holder, policy, now, notAfter: inHours(12) })
      t.match(verified(t, [proxy, ...chain]), /OK/)
      t.equal(proxy.checkPrivateKey(keys[i]!), true)
    }
})

t.test('its name is the bytes of its issuer, and its serial number as a last part', async (t) => {
  const key = ec()
  const chain = [owner(key)]
  const issuer = { chain, key }
  const o = { holder: createPublicKey(ec()), policy: POLICIES[0]!, now, notAfter: inHours(1) }
  const proxies = [writeProxy({ issuer, ...o }), writeProxy({ issuer, ...o })]
  for (const proxy of proxies) {
    const number = BigInt(`0x${proxy.serialNumber}`)
    t.equal(proxy.subject, `${chain[0]!.subject}\nCN=${number}`)
    t.ok(number.toString(2).length === 127, '127 bits')
    t.not(proxy.raw.indexOf(subject), -1, 'the name of the issuer as it is')
    t.equal(readCertificate(proxy.raw).issuer, readCertificate(chain[0]!.raw).dn)
  }
  t.not(proxies[0]!.serialNumber, proxies[1]!.serialNumber)
})

t.test('what it says is what OpenSSL prints of it', async (t) => {
  if (lacksOpenssl(t)) return
  const key = ec()
  const print = (policy: ProxyPolicy, o: { pathLen?: number; holder?: KeyObject } = {}) => {
    const holder = createPublicKey(o.holder ?? ec())
    const made = writeProxy({
      ...{ issuer: { chain: [owner(key)], key }, holder, policy, now, notAfter: inHours(1) },
      ...(o.pathLen === undefined ? {} : { pathLen: o.pathLen }),
    })
    return spawnSync('openssl', ['x509', '-noout', '-text'], { input: made.toString(), encoding: 'utf8' })
      .stdout
  }
  const restricted = print(POLICIES[2]!, { pathLen: 0 })
  t.match(restricted, /Proxy Certificate Information: critical\s+Path Length Constraint: 00/)
  t.match(restricted, /Policy Language: 2\.25\.119351359429695685949624346821610304130/)
  t.ok(restricted.includes(`"guids":["${limits.guids[0]}","${limits.guids[1]}"],"operations":["read-file"]`))
  t.match(restricted, /Key Usage: critical\s+Digital Signature\n/)
  const full = print(POLICIES[0]!, { holder: rsa(2048) })
  t.match(full, /Path Length Constraint: infinite\s+Policy Language: Inherit all/)
  t.match(full, /Key Usage: critical\s+Digital Signature, Key Encipherment\n/)
  t.match(print(POLICIES[1]!, { pathLen: 200 }), /Constraint: C8[\s\S]*1\.3\.6\.1\.4\.1\.3536\.1\.1\.1\.9/)
})

t.test('a proxy signs the next one, and none outlives one of those above it', async (t) => {
  const key = rsa(2048)
  const chain = [owner(key, inHours(3))]
  const [inner, outer] = [ec(), ec()]
  const o = { policy: POLICIES[0]!, now, notAfter: inHours(12) }
  const first = writeProxy({ ...o, issuer: { chain, key }, holder: createPublicKey(inner) })
  t.equal(first.validTo, chain[0]!.validTo)
  const issuer = { chain: [first, ...chain], key: inner }
  const second = writeProxy({ ...o, issuer, holder: createPublicKey(outer) })
  t.equal(second.validTo, chain[0]!.validTo)
  if (!lacksOpenssl(t)) t.match(verified(t, [second, first, ...chain]), /OK/)
  t.equal(now.getTime() - first.validFromDate.getTime() >= 300_000, true, 'good a little before now')
})

t.test('who may not sign makes no proxy', async (t) => {
  const key = ec()
  const o = { holder: createPublicKey(ec()), policy: POLICIES[0]!, now, notAfter: inHours(1) }
  const by = (chain: X509Certificate[], k: KeyObject, more = {}) =>
    writeProxy({ ...o, issuer: { chain, key: k }, ...more })
  t.throws(() => by([], key), { code: 'MDM_CONFIG' })
  t.throws(() => by([owner(ec())], key), { code: 'MDM_CONFIG' }, 'the key of another certificate')
  t.throws(() => by([ca], caKey), { code: 'MDM_CONFIG' }, 'a CA has no proxies')
  const encipher = certificate({ ...{ subject, issuer: caName, key, signer: caKey, keyUsage: 0x20 } })
  t.throws(() => by([encipher], key), { code: 'MDM_CONFIG' }, 'a key that does not sign')
  t.throws(() => by([owner(key, inHours(-1))], key), { code: 'MDM_CREDENTIAL_EXPIRED' })
  t.throws(() => by([owner(key)], key, { holder: createPublicKey(rsa(1024)) }), {
    code: 'MDM_UNAUTHENTICATED',
  })
  t.throws(() => by([owner(key)], key, { policy: { language: 'mdmLimits', limits: { guids: [] } } }))
})
