import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { newHolderKey, readHolderKey } from '@mdm/core/identity/proxy/holder-key'
import { lacksOpenssl } from '../../../fixtures/openssl.ts'
import { ec, ed25519, rsa } from '../certificates.ts'

const spki = (key: ReturnType<typeof ec>) =>
  createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string

/** A certificate request as OpenSSL makes it, PEM. */
function request(t: Test, args: readonly string[]): string {
  const dir = t.testdir()
  const made = ['req', '-new', '-nodes', '-subj', '/CN=job', '-keyout', join(dir, 'key'), ...args]
  return execFileSync('openssl', made, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

t.test('public keys of every kind that a server accepts are taken', async (t) => {
  for (const key of [rsa(2048), ec(), ec('secp384r1'), ed25519()])
    t.equal(spkiDigest(readHolderKey(`text before\n${spki(key)}`)), spkiDigest(key))
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' })
  const taken = readHolderKey(publicKey.export({ type: 'spki', format: 'pem' }) as string)
  t.equal(taken.export({ type: 'spki', format: 'der' }).length, 91, 'in the spelling of certificates')
  const made = await newHolderKey()
  t.equal(spkiDigest(made.privateKey), spkiDigest(made.publicKey))
})

t.test('a certificate request is taken when its own key signed it', async (t) => {
  if (lacksOpenssl(t)) return
  for (const args of [
    ['-newkey', 'rsa:2048'],
    ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ]) {
    const pem = request(t, args)
    t.ok(readHolderKey(pem))
    const der = Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64')
    let taken = 0
    // Every octet of it altered: the request is malformed, or its signature does not hold.
    for (let at = 0; at < der.length; at++) {
      const bad = Buffer.from(der)
      bad[at]! ^= 0x01
      const text = `-----BEGIN CERTIFICATE REQUEST-----\n${bad.toString('base64')}\n-----END CERTIFICATE REQUEST-----`
      try {
        readHolderKey(text)
        taken++
      } catch (error) {
        if ((error as { code?: string }).code !== 'MDM_USAGE') throw error
      }
    }
    t.equal(taken, 0)
  }
})

t.test('what is no public key, too weak, or a secret is refused', async (t) => {
  const refused = (text: string, why: string) =>
    t.throws(() => readHolderKey(text), { code: 'MDM_USAGE' }, why)
  refused('', 'nothing')
  refused(spki(rsa(1024)), 'RSA 1024')
  refused(spki(ec('secp256k1')), 'another curve')
  refused(ec().export({ type: 'pkcs8', format: 'pem' }) as string, 'a private key')
  refused(ec().export({ type: 'sec1', format: 'pem' }) as string, 'a private key of an older form')
  refused(`${spki(ec())}${spki(ec())}`, 'two keys')
  refused(spki(ec()).replaceAll('PUBLIC KEY', 'CERTIFICATE'), 'another block')
  const x25519 = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' }) as string
  refused(x25519, 'a key that cannot sign')
  if (!lacksOpenssl(t)) refused(request(t, ['-newkey', 'rsa:2048', '-sha1']), 'a request signed with SHA-1')
})
