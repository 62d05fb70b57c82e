import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'
import t from 'tap'
import { identify } from '@mdm/core/identity/identify'
import type { Limits } from '@mdm/core/identity/limits'
import { delegate } from '@mdm/core/identity/proxy/delegate'
import { describeCredential } from '@mdm/core/identity/proxy/describe'
import { newGuid } from '@mdm/core/names'
import { certificate, CLIENT_AUTH, ec, ed25519, name, rsa } from '../certificates.ts'
import { caName, sampleSite, trusted } from '../roster-samples.ts'

const sample = sampleSite()
const roster = await trusted(sample.body, sample.signer)
const now = new Date()
const inHours = (hours: number) => new Date(now.getTime() + hours * 3_600_000)
const key = rsa(2048)
const user = (o: { key?: KeyObject; notAfter?: Date } = {}) =>
  certificate({
    ...{ subject: name(['C', 'FR'], ['O', 'Hospital'], ['CN', 'Alice Martin']), issuer: caName },
    ...{ key, signer: sample.caKey, ca: false, eku: [CLIENT_AUTH], keyUsage: 0x80 },
    ...o,
  })
const owner = { chain: [user()], privateKey: key }
const limits: Limits = { guids: [newGuid(), newGuid()], operations: ['read-file'] }
const capability = { language: 'mdmLimits', limits } as const
const full = { language: 'inheritAll' } as const

const chainOf = (pem: string) =>
  pem.match(/-----BEGIN CERT[^-]+-----[^-]+-----END[^-]+-----/g)!.map((block) => new X509Certificate(block))
const credentialOf = (pem: string, privateKey: KeyObject) => ({ chain: chainOf(pem), privateKey })

t.test('a capability is its owner, narrowed to what it says, for its holder', async (t) => {
  const holder = ed25519()
  const made = await delegate(owner, {
    ...{ policy: capability, hours: 12, now },
    holder: createPublicKey(holder),
  })
  const caller = identify(chainOf(made.pem), roster, now)
  t.match(caller, { kind: 'user', dn: 'CN=alice martin,O=hospital,C=fr', proxy: 'restricted', limits })
  const view = describeCredential(made.pem)
  t.match(view, { kind: 'capability', owner: 'CN=alice martin,O=hospital,C=fr', limits, holdsKey: false })
  t.equal(view.holder, caller.spki)
  t.equal(made.cut, false)
  t.equal(Math.abs(made.notAfter.getTime() - inHours(12).getTime()) < 1_000, true)
  t.notMatch(made.pem, /PRIVATE/, 'no secret is in it')
  const withKey = describeCredential(made.pem + (holder.export({ type: 'pkcs8', format: 'pem' }) as string))
  t.equal(withKey.holdsKey, true, 'the key made on the node may be put beside it')
})

t.test('without a holder the file has a new key in it, which its certificate is for', async (t) => {
  const { pem } = await delegate(owner, { policy: full, hours: 1, now })
  t.match(pem.match(/BEGIN [A-Z ]+/g), ['BEGIN CERTIFICATE', 'BEGIN PRIVATE KEY', 'BEGIN CERTIFICATE'])
  t.match(describeCredential(pem), { kind: 'proxy', holdsKey: true })
  t.match(identify(chainOf(pem), roster, now), { proxy: 'full' })
  const limited = await delegate(owner, { policy: { language: 'limited' }, hours: 1, now })
  t.match(identify(chainOf(limited.pem), roster, now), { proxy: 'limited' })
})

t.test('it ends with its owner’s credential, and lives a day at most', async (t) => {
  const short = { chain: [user({ notAfter: inHours(3) })], privateKey: key }
  const made = await delegate(short, { policy: capability, hours: 12, now })
  t.equal(made.cut, true)
  t.equal(Math.floor(inHours(3).getTime() / 1_000) * 1_000, made.notAfter.getTime())
  for (const hours of [25, 0, -1, Number.NaN])
    await t.rejects(delegate(owner, { policy: capability, hours, now }), { code: 'MDM_USAGE' })
  const ended = { chain: [user({ notAfter: inHours(-1) })], privateKey: key }
  await t.rejects(delegate(ended, { policy: capability, hours: 1, now }), { code: 'MDM_CREDENTIAL_EXPIRED' })
})

t.test('a proxy makes capabilities, and a capability makes nothing', async (t) => {
  const [first, second] = [ec(), ec()]
  const proxy = await delegate(owner, { policy: full, hours: 2, now, holder: createPublicKey(first) })
  const made = await delegate(credentialOf(proxy.pem, first), {
    ...{ policy: capability, hours: 12, now },
    holder: createPublicKey(second),
  })
  t.equal(made.cut, true, 'not after the proxy')
  t.match(identify(chainOf(made.pem), roster, now), { proxy: 'restricted', limits })
  for (const policy of [full, capability])
    await t.rejects(delegate(credentialOf(made.pem, second), { policy, hours: 1, now }), {
      code: 'MDM_CONFIG',
    })
})

t.test('certificates of a file are put in order, and those that do not belong are left', async (t) => {
  const holder = ec()
  const { pem } = await delegate(owner, { policy: full, hours: 2, now, holder: createPublicKey(holder) })
  const [proxy, above] = chainOf(pem)
  const stranger = certificate({ subject: name(['CN', 'x']), key: ec() })
  const file = [proxy, sample.ca, stranger, above].join('')
  const made = await delegate(credentialOf(file, holder), { policy: full, hours: 1, now })
  t.strictSame(
    chainOf(made.pem)
      .slice(1)
      .map((one) => one.subject),
    [proxy!.subject, above!.subject],
  )
})

t.test('what is no credential is not described', async (t) => {
  for (const text of ['', 'x', key.export({ type: 'pkcs8', format: 'pem' }) as string])
    t.throws(() => describeCredential(text), { code: 'MDM_USAGE' })
  t.match(describeCredential(String(owner.chain[0])), { kind: 'certificate', holdsKey: false })
  const sealed = key.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  }) as string
  t.match(describeCredential(`${owner.chain[0]}${sealed}`), { kind: 'certificate', holdsKey: false })
  const { pem } = await delegate(owner, { policy: full, hours: 1, now })
  const [proxy] = chainOf(pem)
  t.throws(() => describeCredential(proxy!.toString()), { code: 'MDM_USAGE' }, 'a proxy without its owner')
})
