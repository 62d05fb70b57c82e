import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyObject, X509Certificate } from 'node:crypto'
import t from 'tap'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { loadCredential, requireOwnKey } from '@mdm/core/identity/credential'
import { holderOf, proxyFile, proxyOf } from '../../fixtures/x509/proxies.ts'
import { certificate, ed25519, name } from './certificates.ts'

const key = ed25519()
const x509 = certificate({ subject: name(['CN', 'Alice']), key })
const pem = (k: KeyObject) => k.export({ type: 'pkcs8', format: 'pem' }) as string

function files(
  dir: string,
  o: { certificate?: X509Certificate | string; key?: KeyObject | string; mode?: number } = {},
) {
  const paths = { certificate: join(dir, 'user.pem'), key: join(dir, 'user.key') }
  writeFileSync(paths.certificate, (o.certificate ?? x509).toString())
  writeFileSync(paths.key, typeof o.key === 'string' ? o.key : pem(o.key ?? key))
  chmodSync(paths.key, o.mode ?? 0o600)
  return paths
}

t.test('a certificate and its key make a credential', async (t) => {
  const credential = await loadCredential(files(t.testdir()))
  t.equal(credential.identity.dn, 'CN=alice')
  t.ok(x509.checkPrivateKey(credential.privateKey))
  t.equal(credential.key, pem(key))
})

t.test('a key file that others can read is refused', async (t) => {
  for (const mode of [0o640, 0o604, 0o660, 0o644])
    await t.rejects(loadCredential(files(t.testdir(), { mode })), { code: 'MDM_CONFIG' }, mode.toString(8))
  t.ok(await loadCredential(files(t.testdir(), { mode: 0o400 })))
})

t.test('missing, malformed, encrypted and foreign files are refused without naming a path', async (t) => {
  const encrypted = key.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  }) as string
  const cases: Record<string, Parameters<typeof files>[1]> = {
    'the key of another certificate': { key: ed25519() },
    'an encrypted key': { key: encrypted },
    'no key': { key: 'nothing' },
    'no certificate': { certificate: 'nothing' },
    'a very long file': { certificate: 'x'.repeat(300_000) },
  }
  for (const [what, o] of Object.entries(cases)) {
    const dir = t.testdir()
    const error = await loadCredential(files(dir, o)).then(
      () => undefined,
      (e: Error) => e,
    )
    t.match(error, { code: 'MDM_CONFIG' }, what)
    t.notOk(error?.message.includes(dir), `${what}: no path`)
  }
  await t.rejects(loadCredential({ certificate: '/nowhere/a.pem', key: '/nowhere/a.key' }), {
    code: 'MDM_CONFIG',
  })
})

t.test(
  'a proxy file is a credential: the owner’s name, the key and the end of the proxy, the whole chain',
  async (t) => {
    const owner = holderOf(x509, key)
    const notAfter = new Date('2027-01-01T00:00:00Z')
    const proxy = proxyOf(proxyOf(owner, { notAfter }), { notBefore: new Date('2026-11-01T00:00:00Z') })
    const path = join(t.testdir(), 'proxy.pem')
    writeFileSync(path, `a comment\n${proxyFile(proxy)}`, { mode: 0o600 })
    const credential = await loadCredential({ certificate: path, key: path })
    t.match(credential, {
      identity: { dn: 'CN=alice' },
      spki: spkiDigest(proxy.key),
      delegation: { proxy: 'full' },
      notBefore: new Date('2026-11-01T00:00:00Z'),
      notAfter,
    })
    t.equal(credential.certificate, proxy.chain.map(String).join(''), 'certificates only, leaf first')
    t.equal(credential.key, pem(proxy.key))
    t.throws(() => requireOwnKey(credential), { code: 'MDM_CONFIG' })
    requireOwnKey(await loadCredential(files(t.testdirName)))

    const apart = { certificate: join(t.testdirName, 'chain.pem'), key: join(t.testdirName, 'proxy.key') }
    writeFileSync(apart.certificate, credential.certificate)
    writeFileSync(apart.key, credential.key, { mode: 0o600 })
    t.equal((await loadCredential(apart)).spki, credential.spki, 'or in two files')
    chmodSync(path, 0o644)
    await t.rejects(
      loadCredential({ certificate: path, key: path }),
      { code: 'MDM_CONFIG' },
      'open to others',
    )
  },
)

t.test('a proxy file that no server would take is refused before anything is sent', async (t) => {
  const owner = holderOf(x509, key)
  const moved = proxyOf(owner)
  const bad = {
    'a legacy proxy': proxyFile(proxyOf(owner, { legacy: true, below: [['CN', 'limited proxy']] })),
    'a proxy without its owner': proxyFile({ ...moved, chain: [moved.certificate] }),
    'a proxy of somebody else': proxyFile(proxyOf(owner, { signer: ed25519() })),
    'a file without a key': moved.chain.map(String).join(''),
    'a proxy with the key of its owner': proxyFile({ ...moved, key }),
  }
  for (const [what, content] of Object.entries(bad)) {
    const path = join(t.testdir(), 'proxy.pem')
    writeFileSync(path, content, { mode: 0o600 })
    await t.rejects(loadCredential({ certificate: path, key: path }), { code: 'MDM_CONFIG' }, what)
  }
})
