import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyObject, X509Certificate } from 'node:crypto'
import t from 'tap'
import { loadCredential } from '@mdm/core/identity/credential'
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
