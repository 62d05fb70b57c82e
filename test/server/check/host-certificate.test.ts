import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createCa, createServiceCertificate, issueHostCertificate } from '@mdm/core/identity/ca'
import { readCertificate } from '@mdm/core/identity/certificate'
import { openCrlFolder } from '@mdm/core/identity/crl/crl-folder'
import { nameHash } from '@mdm/core/identity/signing-policy/name-hash'
import { checkHostCertificate } from '../../../packages/server/src/check/host-certificate.ts'

const dir = t.testdir()
const own = await createServiceCertificate({ commonName: 'MDM site x', hosts: ['127.0.0.1'], days: 90 })
const ca = await createCa({ dn: 'CN=Grid CA,O=Grid', days: 100 })
const host = await issueHostCertificate({
  ...{ ca, dn: 'CN=host/se.example,O=Grid', hosts: ['se.example', '192.0.2.1'], days: 90, key: own.key },
})
const key = join(dir, 'tls.key')
writeFileSync(key, own.key, { mode: 0o600 })
const file = (name: string, text: string) => {
  writeFileSync(join(dir, name), text)
  return { certificate: join(dir, name), key }
}
const ofCa = file('host.pem', host.certificate)
const look = (files: typeof ofCa, name: string, days = 0) =>
  checkHostCertificate({ files, host: name, now: new Date(Date.now() + days * 86_400_000) })
const levels = async (...o: Parameters<typeof look>) => (await look(...o)).map(({ level }) => level)

t.test('the certificate of a CA for the name or address in the SURLs is good', async (t) => {
  t.strictSame(await levels(ofCa, 'se.example'), ['ok', 'ok'])
  t.strictSame(await levels(ofCa, '192.0.2.1'), ['ok', 'ok'])
})

t.test('one for another name is a fault, and so is one that has ended', async (t) => {
  t.match(await look(ofCa, 'other.example'), [
    { level: 'ok' },
    { level: 'fault', message: /other\.example/, next: /tls\.csr/ },
  ])
  t.strictSame(await levels(ofCa, '192.0.2.2'), ['ok', 'fault'])
  t.strictSame(await levels(ofCa, 'se.example', 80), ['warn', 'ok'])
  t.strictSame(await levels(ofCa, 'se.example', 91), ['fault', 'ok'])
})

t.test(
  'a name that the CA may not give by its signing policy is a fault: Globus would refuse it',
  async (t) => {
    const certificate = new X509Certificate(ca.certificate)
    const identity = readCertificate(certificate.raw)
    const held = [{ certificate, identity, nameSpaces: [] }]
    const [hash, crls] = [nameHash(identity.subjectDer), join(dir, 'crls')]
    mkdirSync(crls)
    writeFileSync(join(crls, `${hash}.0`), ca.certificate)
    const look = async (subjects: string) => {
      const policy = [
        "access_id_CA X509 '/O=Grid/CN=Grid CA'",
        'pos_rights globus CA:sign',
        `cond_subjects globus '"${subjects}"'`,
      ]
      writeFileSync(join(crls, `${hash}.signing_policy`), policy.join('\n'))
      const folder = openCrlFolder(crls)
      await folder.refresh(held, new Date())
      return await checkHostCertificate({
        files: ofCa,
        host: 'se.example',
        now: new Date(),
        cas: held,
        crls: folder,
      })
    }
    t.match(await look('/O=Elsewhere/*'), [
      { level: 'ok' },
      { level: 'ok' },
      { level: 'fault', message: /signing policy/ },
    ])
    t.strictSame(
      (await look('/O=Grid/*')).map(({ level }) => level),
      ['ok', 'ok'],
    )
  },
)

t.test("the site's own works for those who pin its key, and grid clients do not know it", async (t) => {
  const files = file('tls.pem', own.certificate)
  t.strictSame(await levels(files, '127.0.0.1'), ['ok', 'ok', 'warn'])
})

t.test('a pair that is none is a fault', async (t) => {
  t.match(await look({ ...ofCa, certificate: join(dir, 'absent.pem') }, 'se.example'), [{ level: 'fault' }])
  chmodSync(key, 0o644)
  t.match(await look(ofCa, 'se.example'), [{ level: 'fault', message: /chmod/ }])
})
